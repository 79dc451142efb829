"""One run in its store: taken over, reopened, its parameters, artifacts and record read."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import RunTag
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from charrnn.config.loading import load_params
from charrnn.config.redaction import redact
from charrnn.config.schema import Params
from charrnn.data.folder import DataFolder
from charrnn.errors import TrackingError
from tasks.tracking.mlflow.store import Store, StoreError
from tasks.tracking.processes import PROCESS_TAGS, is_gone, is_running, process_tags
from tasks.tracking.runs import PARAMS_FILE, SAMPLES_FILE, SWEEP_TAG, RunRecord, RunRef


class RunGoneError(TrackingError):
    """The store answers that a run was deleted, or that it has none of that id, as after `mlflow gc`."""


def run_at(uri: str, run_id: str, data: DataFolder) -> RunRef:
    """Return the run `run_id` of the store `uri`, whose outbox is in `data`.

    Raises:
        RunGoneError: the run is not there any more.
        TrackingError: the store does not answer.
    """
    try:
        info = Store(uri).ask(MlflowClient.get_run, run_id).info
    except StoreError as error:
        if not error.missing:
            raise
        raise RunGoneError(f"there is no such run in {redact(uri)}") from None
    if info.lifecycle_stage != "active":
        raise RunGoneError(f"was deleted in {redact(uri)}, where it can be restored until mlflow gc")
    return RunRef(uri, run_id, info.experiment_id, info.start_time, data)


def take_over(run: RunRef) -> None:
    """Check that no other process of this machine runs `run`; mark it KILLED if its process is gone.

    Raises:
        TrackingError: another process runs it, or the store does not answer.
    """
    store = Store(run.uri)
    found = store.ask(MlflowClient.get_run, run.run_id)
    if found.info.status == "RUNNING" and is_running(found.data.tags):
        process = found.data.tags[PROCESS_TAGS[1]]
        raise TrackingError(f"run {run.run_id}: process {process} is still at it; stop that first")
    if found.info.status == "RUNNING" and is_gone(found.data.tags):
        store.ask(MlflowClient.set_terminated, run.run_id, status="KILLED")


def reopen_run(run: RunRef) -> None:
    """Make a run that ended, or whose process died, a running one of this process. Raises TrackingError."""
    store = Store(run.uri)
    tags = [RunTag(key, value) for key, value in process_tags().items()]
    store.ask(MlflowClient.update_run, run.run_id, status="RUNNING")
    store.ask(MlflowClient.log_batch, run.run_id, tags=tags)
    store.ask(_delete_tag, run.run_id, "error")


def _delete_tag(client: MlflowClient, run_id: str, key: str) -> None:
    if key in client.get_run(run_id).data.tags:
        client.delete_tag(run_id, key)


def run_tag(run: RunRef, key: str) -> str:
    """Return the run's tag `key`; '' when it has none. Raises TrackingError."""
    return str(Store(run.uri).ask(MlflowClient.get_run, run.run_id).data.tags.get(key, ""))


def run_status(run: RunRef) -> str:
    """Return RUNNING, FINISHED, FAILED or KILLED. Raises TrackingError."""
    return str(Store(run.uri).ask(MlflowClient.get_run, run.run_id).info.status)


def read_curves(run: RunRef, metrics: Sequence[str]) -> dict[str, dict[int, float]]:
    """Return metric -> step -> value, as far as it was delivered. Raises TrackingError."""
    store = Store(run.uri)
    return {
        name: {row.step: row.value for row in store.ask(MlflowClient.get_metric_history, run.run_id, name)}
        for name in metrics
    }


def set_tags(run: RunRef, values: Mapping[str, str]) -> None:
    """Set tags of a run that no outbox of this process reports on: at once. Raises TrackingError."""
    tags = [RunTag(key, value) for key, value in values.items()]
    Store(run.uri).ask(MlflowClient.log_batch, run.run_id, tags=tags)


def run_params(run: RunRef) -> Params | None:
    """Return the parameters the run was started with; None when it was killed before they were kept.

    Raises:
        TrackingError: it is not a run of this pipeline, or the store does not answer.
    """
    with tempfile.TemporaryDirectory() as temporary:
        path = download_artifact(run, PARAMS_FILE, Path(temporary))
        if path is None:
            if run_tag(run, SWEEP_TAG):
                raise TrackingError(f"run {run.run_id}: is a sweep; it goes on by charrnn sweep --resume {run.run_id}")
            if run_tag(run, PROCESS_TAGS[0]):
                return None
            raise TrackingError(f"run {run.run_id}: has no {PARAMS_FILE}; it is not a run of this pipeline")
        return load_params([path], base=Params())


def read_run(run: RunRef, metrics: Sequence[str]) -> RunRecord:
    """Return what the store knows of `run`, and the histories of `metrics`. Raises TrackingError."""
    store = Store(run.uri)
    found = store.ask(MlflowClient.get_run, run.run_id)
    histories = {
        name: sorted((row.step, row.value) for row in store.ask(MlflowClient.get_metric_history, run.run_id, name))
        for name in metrics
        if name in found.data.metrics
    }
    info = found.info
    return RunRecord(
        run_id=info.run_id,
        name=info.run_name,
        status=info.status,
        seconds=(info.end_time - info.start_time) / 1000 if info.end_time else None,
        params=dict(found.data.params),
        metrics=histories,
        sample=_middle_sample(run),
    )


def artifact_sizes(run: RunRef, folder: str) -> dict[str, int]:
    """Return path -> size (bytes) of the files in the run's artifact `folder`. Raises TrackingError."""
    found = Store(run.uri).ask(MlflowClient.list_artifacts, run.run_id, folder)
    return {item.path: item.file_size or 0 for item in found if not item.is_dir}


def download_artifact(run: RunRef, path: str, folder: Path) -> Path | None:
    """Copy the run's artifact `path` into `folder`.

    Returns:
        Where the copy is; None when the run has no such artifact.

    Raises:
        TrackingError: the store does not answer.
    """
    store = Store(run.uri)
    parent = path.rpartition("/")[0]
    if path not in {item.path for item in store.ask(MlflowClient.list_artifacts, run.run_id, parent or None)}:
        return None
    return Path(store.ask(MlflowClient.download_artifacts, run.run_id, path, str(folder)))


def read_texts(run: RunRef, folder: str, most: int) -> dict[str, str]:
    """Return path -> text of at most `most` files in the run's artifact `folder`, spread evenly, in order of paths.

    Raises:
        TrackingError: the store does not answer.
    """
    paths = sorted(artifact_sizes(run, folder))
    size = max(1, -(-len(paths) // most))
    chosen = paths[::-1][::size][::-1]  # the last is one of them
    store = Store(run.uri)
    with tempfile.TemporaryDirectory() as temporary:
        return {
            path: Path(store.ask(MlflowClient.download_artifacts, run.run_id, path, temporary)).read_text("utf-8")
            for path in chosen
        }


def delete_artifact(run: RunRef, path: str) -> None:
    """Delete the run's artifact `path`, for good. Raises TrackingError."""
    store = Store(run.uri)
    root = store.ask(MlflowClient.get_run, run.run_id).info.artifact_uri
    store.ask(lambda _: get_artifact_repository(root, tracking_uri=run.uri).delete_artifacts(path))


def _middle_sample(run: RunRef) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        path = download_artifact(run, SAMPLES_FILE, Path(temporary))
        if path is None:
            return ""
        table = json.loads(path.read_text(encoding="utf-8"))
    texts = [str(row[table["columns"].index("text")]) for row in table["data"]]
    return texts[len(texts) // 2] if texts else ""
