"""Runs: started, found, taken over, read back."""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import RunInfo, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils import get_results_from_paginated_fn

from charrnn.config.loading import load_params
from charrnn.config.redaction import redact
from charrnn.config.schema import Params
from charrnn.errors import TrackingError
from tasks.tracking.address import tracking_uri, waiting_out_locks
from tasks.tracking.mlflow.store import client_of, connect, is_refusal, reporting
from tasks.tracking.outbox.queue import outbox_folder
from tasks.tracking.processes import PROCESS_TAGS, is_at_work, is_gone, process_tags
from tasks.tracking.runs import FLOW_RUN_ID, FLOW_RUN_TAG, PARAMS_FILE, EndedRun, RunRef

logger = logging.getLogger("charrnn")

# Runs asked for at once.
PAGE = 1000


@waiting_out_locks
def start_run(params: Params, name: str, tags: Mapping[str, str]) -> RunRef:
    """Open a run. Raises TrackingError or FileError."""
    client, experiment_id = connect(params.tracking)
    with reporting(uri := tracking_uri(params.tracking)):
        _end_orphans(client, experiment_id)
        all_tags = {**tags, **params.tracking.tags, **process_tags()}
        run = client.create_run(experiment_id, run_name=name, tags=all_tags)
    return _ref(uri, run.info, params)


@waiting_out_locks
def reopen_run(run: RunRef) -> None:
    """Make a run that ended, or whose process died, run again under this process."""
    with reporting(run.uri):
        client = MlflowClient(tracking_uri=run.uri)
        client.update_run(run.run_id, status="RUNNING")
        client.log_batch(run.run_id, tags=[RunTag(key, value) for key, value in process_tags().items()])
        if "error" in client.get_run(run.run_id).data.tags:
            client.delete_tag(run.run_id, "error")


@waiting_out_locks
def find_run(params: Params, wanted: str) -> RunRef:
    """Return the run with id `wanted`, or the experiment's newest for `last`, or that of the Prefect flow run `wanted`.

    Raises:
        TrackingError: there is none, it was deleted, or the store does not answer.
    """
    client, experiment_id = connect(params.tracking)
    uri = tracking_uri(params.tracking)
    with reporting(uri):
        if FLOW_RUN_ID.fullmatch(wanted):
            order = ["attributes.start_time DESC"]
            runs = client.search_runs([experiment_id], f"tags.`{FLOW_RUN_TAG}` = '{wanted}'", order_by=order)
            if not runs:
                raise TrackingError(
                    f"flow run {wanted}: had not come to a run in {redact(uri)}; there is nothing to go on with"
                )
            return _ref(uri, runs[0].info, params)
        if wanted != "last":
            try:
                info = client.get_run(wanted).info
            except MlflowException as error:
                if not is_refusal(error):
                    raise
                raise TrackingError(f"run {wanted}: there is no such run in {redact(uri)}") from None
            if info.lifecycle_stage != "active":
                raise TrackingError(f"run {wanted}: was deleted in {redact(uri)}; restore it or name another")
            return _ref(uri, info, params)
        runs = client.search_runs([experiment_id], order_by=["attributes.start_time DESC"], max_results=1)
    if not runs:
        raise TrackingError(f"last: experiment '{params.tracking.experiment}' in {redact(uri)} has no run yet")
    return _ref(uri, runs[0].info, params)


@waiting_out_locks
def last_runs(params: Params, number: int) -> list[RunRef]:
    """Return the experiment's newest runs, the newest first; none where there is no such experiment.

    Raises:
        TrackingError: the store does not answer.
    """
    client, uri = client_of(params.tracking), tracking_uri(params.tracking)
    with reporting(uri):
        experiment = client.get_experiment_by_name(params.tracking.experiment)
        if experiment is None:
            return []
        order = ["attributes.start_time DESC"]
        runs = client.search_runs([experiment.experiment_id], order_by=order, max_results=number)
    return [_ref(uri, run.info, params) for run in runs]


@waiting_out_locks
def ended_runs(params: Params) -> list[EndedRun]:
    """Return the experiment's runs that have ended; none where there is no such experiment. Raises TrackingError."""
    client, uri = client_of(params.tracking), tracking_uri(params.tracking)
    with reporting(uri):
        experiment = client.get_experiment_by_name(params.tracking.experiment)
        if experiment is None:
            return []
        runs = get_results_from_paginated_fn(
            lambda size, page: client.search_runs([experiment.experiment_id], max_results=size, page_token=page), PAGE
        )
    return [
        EndedRun(_ref(uri, run.info, params), run.info.run_name, run.info.status, run.info.end_time)
        for run in runs
        if run.info.status != "RUNNING" and run.info.end_time
    ]


@waiting_out_locks
def run_at(uri: str, run_id: str, outbox: Path) -> RunRef:
    """Return the run whose `outbox` is here, from the store it belongs to. Raises TrackingError."""
    with reporting(uri):
        info = MlflowClient(tracking_uri=uri).get_run(run_id).info
    return RunRef(uri, run_id, info.experiment_id, info.start_time, outbox)


def artifact_sizes(run: RunRef, folder: str) -> dict[str, int]:
    """Return path -> size (bytes) of the files in the run's artifact `folder`. Raises TrackingError."""
    with reporting(run.uri):
        found = MlflowClient(tracking_uri=run.uri).list_artifacts(run.run_id, folder)
    return {item.path: item.file_size or 0 for item in found if not item.is_dir}


def delete_artifact(run: RunRef, path: str) -> None:
    """Delete the run's artifact `path`, for good. Raises TrackingError."""
    with reporting(run.uri):
        root = MlflowClient(tracking_uri=run.uri).get_run(run.run_id).info.artifact_uri
        get_artifact_repository(root, tracking_uri=run.uri).delete_artifacts(path)


def run_tag(run: RunRef, key: str) -> str:
    """Return the run's tag `key`; '' when it has none. Raises TrackingError."""
    with reporting(run.uri):
        return str(MlflowClient(tracking_uri=run.uri).get_run(run.run_id).data.tags.get(key, ""))


def take_over(run: RunRef) -> None:
    """Make sure that nobody is at `run` any more; one whose process is gone is KILLED until it goes on.

    Raises:
        TrackingError: another process of this machine is at it.
    """
    with reporting(run.uri):
        client = MlflowClient(tracking_uri=run.uri)
        found = client.get_run(run.run_id)
        if found.info.status == "RUNNING" and is_at_work(found.data.tags):
            process = found.data.tags[PROCESS_TAGS[1]]
            raise TrackingError(f"run {run.run_id}: process {process} is still at it; stop that first")
        if found.info.status == "RUNNING" and is_gone(found.data.tags):
            client.set_terminated(run.run_id, status="KILLED")


def run_params(run: RunRef) -> Params | None:
    """Return the parameters the run was started with; None when it was killed before they were kept.

    Raises:
        TrackingError: it is not a run of this pipeline.
    """
    with tempfile.TemporaryDirectory() as temporary:
        path = download(run, PARAMS_FILE, Path(temporary))
        if path is None:
            if run_tag(run, PROCESS_TAGS[0]):
                return None
            raise TrackingError(f"run {run.run_id}: has no {PARAMS_FILE}; it is not a run of this pipeline")
        return load_params([path], base=Params())


def download(run: RunRef, path: str, folder: Path) -> Path | None:
    """Copy the run's artifact `path` into `folder` and return where it is; None when the run has none."""
    with reporting(run.uri):
        client = MlflowClient(tracking_uri=run.uri)
        parent = path.rpartition("/")[0]
        if path not in {item.path for item in client.list_artifacts(run.run_id, parent or None)}:
            return None
        return Path(client.download_artifacts(run.run_id, path, str(folder)))


def _ref(uri: str, info: RunInfo, params: Params) -> RunRef:
    return RunRef(uri, info.run_id, info.experiment_id, info.start_time, outbox_folder(params, info.run_id))


def _end_orphans(client: MlflowClient, experiment_id: str) -> None:
    """Mark runs KILLED whose process on this machine is gone: nothing stays RUNNING for ever."""
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'", ViewType.ACTIVE_ONLY):
        if is_gone(run.data.tags):
            logger.warning("run %s was left running by a process that is gone: marked KILLED", run.info.run_id)
            client.set_terminated(run.info.run_id, status="KILLED")
