"""The MLflow room: the only module that imports mlflow.

Where runs, metrics, artifacts, tables and models go, and under which names. Everything goes through `MlflowClient` with
a run id, so that it works from any thread or process; there is no active run.
"""

import json
import logging
import math
import os
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import psutil
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    Run,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.types.schema import ColSpec, Schema
from sqlalchemy.exc import SQLAlchemyError

from charrnn.errors import CharrnnError, FileError, TrackingError
from charrnn.param_files import PROJECT, load_params
from charrnn.params import Params, TrackingParams
from charrnn.redaction import redact

logger = logging.getLogger("charrnn")

# It logs every error of a database with a traceback; here each is reported in one line.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

CHECKPOINTS = "checkpoints"
BEST, LAST = "best.ckpt", "last.ckpt"
PARAMS_FILE = "params.yaml"
TABLES_TAG = "mlflow.loggedArtifacts"
PROCESS_TAGS = ("charrnn.host", "charrnn.pid", "charrnn.process_started")

# One batch of 1000 metrics costs SQLite 150 ms, one alone 15 ms; more than 1000 are refused.
BATCH = 1000
FLUSH_SECONDS = 5.0


@dataclass(frozen=True)
class RunRef:
    """Which run, where: small, so that it can travel between tasks."""

    uri: str
    run_id: str
    experiment_id: str

    @property
    def ui_path(self) -> str:
        """The run's page in the MLflow UI, from the server's address on."""
        return f"/#/experiments/{self.experiment_id}/runs/{self.run_id}"


def tracking_uri(params: TrackingParams) -> str:
    """Return the tracking URI: the parameter, MLFLOW_TRACKING_URI, or SQLite under the project's mlruns/."""
    if params.uri:
        return params.uri
    project = PROJECT if (PROJECT / PARAMS_FILE).exists() else Path.cwd()
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project}/mlruns/mlflow.db"


def connect(params: TrackingParams) -> tuple[MlflowClient, str]:
    """Return a client and the id of the experiment, made if it is not there.

    Raises:
        TrackingError: the store does not answer, or the experiment was deleted.
        FileError: the folder of a SQLite store cannot be made or written.
    """
    uri = tracking_uri(params)
    location = None
    if folder := _sqlite_folder(uri):
        _check_writable(folder)
        location = (folder / "artifacts").as_uri()
    # A store that is not there should say so in seconds, not after the 7 retries MLflow makes by default.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    with reporting(uri):
        with _one_at_a_time(uri):
            client = MlflowClient(tracking_uri=uri)
            experiment = client.get_experiment_by_name(params.experiment)
        if experiment is None:
            return client, _create_experiment(client, params.experiment, location)
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"tracking.experiment: '{params.experiment}' was deleted in {redact(uri)}; restore it or name another"
            )
        return client, str(experiment.experiment_id)


def _create_experiment(client: MlflowClient, name: str, location: str | None) -> str:
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException:
        # Another pipeline that started in the same moment may have made it.
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise
        return str(experiment.experiment_id)


def _sqlite_folder(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")).resolve().parent if uri.startswith("sqlite:///") else None


def _one_at_a_time(uri: str) -> AbstractContextManager[object]:
    """Keep pipelines that start together from making the tables of one SQLite store at once."""
    folder = _sqlite_folder(uri)
    return FileLock(folder / ".mlflow.lock") if folder else nullcontext()


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FileError(f"{folder}: cannot write the MLflow store there: {error.strerror}") from None


@contextmanager
def reporting(uri: str) -> Iterator[None]:
    """Turn what MLflow and its transports raise into one TrackingError line."""
    try:
        yield
    except CharrnnError:
        raise
    # An ImportError is a database whose driver is not installed.
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        raise TrackingError(f"tracking.uri {redact(uri)}: {reason(error)}") from None


def reason(error: Exception) -> str:
    """Return why a request failed, in one line: of a chain of transport errors, the first cause."""
    return redact(" ".join(str(error).split()).rpartition("Caused by ")[2])[:300]


class Tracker:
    """Writes to one run. Metrics are sent in batches; nothing is sent twice after a resume."""

    def __init__(self, run: RunRef) -> None:
        """Connect to `run`; cheap, no request is made."""
        self.run = run
        self.client = MlflowClient(tracking_uri=run.uri)
        self._metrics: list[Metric] = []
        self._flushed_at = time.monotonic()
        self._logged_until: dict[str, int] = {}

    def skip_logged(self, keys: Sequence[str]) -> None:
        """Remember how far `keys` are logged already; earlier steps will not be logged again."""
        for key in keys:
            self._logged_until[key] = max((step for step, _ in self.history(key)), default=-1)

    def metric(self, key: str, value: float, step: int) -> None:
        """Queue one value; sent with others every few seconds or at `flush`."""
        if step > self._logged_until.get(key, -1) and math.isfinite(value):
            self._metrics.append(Metric(key, value, int(time.time() * 1000), step))
        if len(self._metrics) >= BATCH or time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what is queued."""
        queued, self._metrics = self._metrics, []
        with reporting(self.run.uri):
            for start in range(0, len(queued), BATCH):
                self.client.log_batch(self.run.run_id, metrics=queued[start : start + BATCH])
        self._flushed_at = time.monotonic()

    def history(self, key: str) -> list[tuple[int, float]]:
        """Return (step, value) of every value of `key`, in order of steps."""
        with reporting(self.run.uri):
            metrics = self.client.get_metric_history(self.run.run_id, key)
        return sorted((metric.step, metric.value) for metric in metrics)

    def params(self, flat: Mapping[str, str]) -> None:
        """Log parameters; ones that are there with the same value already are left."""
        with reporting(self.run.uri):
            logged = self.client.get_run(self.run.run_id).data.params
            new = [Param(key, value) for key, value in flat.items() if key not in logged]
            for start in range(0, len(new), 100):
                self.client.log_batch(self.run.run_id, params=new[start : start + 100])

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, credentials redacted."""
        with reporting(self.run.uri):
            self.client.log_batch(self.run.run_id, tags=[RunTag(key, redact(value)) for key, value in tags.items()])

    def describe(self, markdown: str) -> None:
        """Set the run's description, shown at the top of its page."""
        self.tags({"mlflow.note.content": markdown})

    def rename(self, name: str) -> None:
        """Give the run another name."""
        with reporting(self.run.uri):
            self.client.update_run(self.run.run_id, name=name)

    def text(self, text: str, path: str) -> None:
        """Write `text` as the artifact `path`."""
        with reporting(self.run.uri):
            self.client.log_text(self.run.run_id, text, path)

    def file(self, local: Path, folder: str = "") -> None:
        """Copy the file `local` into the artifact `folder`."""
        with reporting(self.run.uri):
            self.client.log_artifact(self.run.run_id, str(local), folder or None)

    def table(self, frame: pd.DataFrame, path: str) -> None:
        """Write `frame` as the artifact `path` (.json), shown as a table in the UI; replaces what was there.

        `MlflowClient.log_table` would append to it, and a retried task would double its rows.
        """
        self.text(frame.to_json(orient="split", index=False), path)
        with reporting(self.run.uri):
            tables = json.loads(self.client.get_run(self.run.run_id).data.tags.get(TABLES_TAG, "[]"))
            entry = {"path": path, "type": "table"}
            if entry not in tables:
                self.client.set_tag(self.run.run_id, TABLES_TAG, json.dumps([*tables, entry]))

    def dataset(self, *, name: str, digest: str, source: str, profile: Mapping[str, Any], context: str) -> None:
        """Log a dataset as the run's input."""
        dataset = Dataset(
            name=name,
            digest=digest[:36],
            source_type="code",
            source=json.dumps({"source": redact(source)}),
            schema=None,
            profile=json.dumps(dict(profile)),
        )
        with reporting(self.run.uri):
            self.client.log_inputs(self.run.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])

    def finish(self, status: str, error: str = "") -> None:
        """End the run as FINISHED, FAILED (with `error` as a tag) or KILLED; queued metrics are sent first."""
        self.flush()
        if error:
            self.tags({"error": error[:5000]})
        with reporting(self.run.uri):
            self.client.set_terminated(self.run.run_id, status=status)

    @contextmanager
    def system_metrics(self, enabled: bool) -> Iterator[None]:
        """Log CPU, memory, disk, network and GPU use every 10 s while the block runs."""
        monitor = None
        if enabled:
            monitor = SystemMetricsMonitor(
                self.run.run_id, sampling_interval=10, resume_logging=True, tracking_uri=self.run.uri
            )
            monitor.start()
        try:
            yield
        finally:
            if monitor is not None:
                monitor.finish()


def start_run(params: TrackingParams, name: str, tags: Mapping[str, str]) -> RunRef:
    """Open a run. Raises TrackingError or FileError."""
    client, experiment_id = connect(params)
    with reporting(uri := tracking_uri(params)):
        _end_orphans(client, experiment_id)
        run = client.create_run(experiment_id, run_name=name, tags={**tags, **params.tags, **_process_tags()})
    return RunRef(uri, run.info.run_id, experiment_id)


def reopen_run(run: RunRef) -> None:
    """Make a run that ended, or whose process died, run again under this process."""
    with reporting(run.uri):
        client = MlflowClient(tracking_uri=run.uri)
        client.update_run(run.run_id, status="RUNNING")
        client.log_batch(run.run_id, tags=[RunTag(key, value) for key, value in _process_tags().items()])
        if "error" in client.get_run(run.run_id).data.tags:
            client.delete_tag(run.run_id, "error")


def find_run(params: TrackingParams, wanted: str) -> RunRef:
    """Return the run with id `wanted`, or the experiment's newest for `last`.

    Raises:
        TrackingError: there is none, it was deleted, or the store does not answer.
    """
    client, experiment_id = connect(params)
    uri = tracking_uri(params)
    with reporting(uri):
        if wanted != "last":
            try:
                run = client.get_run(wanted)
            except MlflowException:
                raise TrackingError(f"run {wanted}: there is no such run in {redact(uri)}") from None
            if run.info.lifecycle_stage != "active":
                raise TrackingError(f"run {wanted}: was deleted in {redact(uri)}; restore it or name another")
            return RunRef(uri, run.info.run_id, run.info.experiment_id)
        runs = client.search_runs([experiment_id], order_by=["attributes.start_time DESC"], max_results=1)
    if not runs:
        raise TrackingError(f"last: experiment '{params.experiment}' in {redact(uri)} has no run yet")
    return RunRef(uri, runs[0].info.run_id, experiment_id)


def download(run: RunRef, path: str, folder: Path) -> Path | None:
    """Copy the run's artifact `path` into `folder` and return where it is; None when the run has none."""
    with reporting(run.uri):
        client = MlflowClient(tracking_uri=run.uri)
        parent = path.rpartition("/")[0]
        if path not in {item.path for item in client.list_artifacts(run.run_id, parent or None)}:
            return None
        return Path(client.download_artifacts(run.run_id, path, str(folder)))


def run_tags(run: RunRef) -> dict[str, str]:
    """Return the run's tags."""
    with reporting(run.uri):
        return dict(MlflowClient(tracking_uri=run.uri).get_run(run.run_id).data.tags)


def run_params(run: RunRef) -> Params:
    """Return the parameters the run was started with. Raises TrackingError when it has none."""
    with tempfile.TemporaryDirectory() as temporary:
        path = download(run, PARAMS_FILE, Path(temporary))
        if path is None:
            raise TrackingError(f"run {run.run_id}: has no {PARAMS_FILE}; it is not a run of this pipeline")
        return load_params([path], base=Params())


def download_model(params: TrackingParams, wanted: str, folder: Path) -> Path:
    """Copy the files of registered model `NAME`, `NAME@alias` or `NAME/VERSION` into `folder`; return where.

    Raises:
        TrackingError: there is no such model, alias or version.
    """
    client, _ = connect(params)
    uri = tracking_uri(params)
    name, _, alias = wanted.partition("@")
    try:
        if alias:
            version = client.get_model_version_by_alias(name, alias).version
        elif "/" in name:
            name, version = name.split("/", 1)
        else:
            versions = client.search_model_versions(f"name = '{name}'")
            version = str(max((int(item.version) for item in versions), default=""))
            if not version:
                raise TrackingError(f"model {wanted}: no model of that name is registered in {redact(uri)}")
        location = client.get_model_version_download_uri(name, version)
        return Path(mlflow.artifacts.download_artifacts(location, dst_path=str(folder), tracking_uri=uri))
    except MlflowException as error:
        raise TrackingError(f"model {wanted}: not found in {redact(uri)}: {reason(error)}") from None


def register_model(
    run: RunRef, name: str, data: Path, code: Path, requirements: Sequence[str], example: Mapping[str, Any]
) -> str:
    """Log a pyfunc model loaded from code (`charrnn.serving`) and register it; return its version.

    Args:
        run: the run it comes from.
        name: of the registered model.
        data: the file or folder `charrnn.serving._load_pyfunc` reads.
        code: folder of the charrnn package, shipped with the model.
        requirements: pinned, as for pip.
        example: one input row.
    """
    types = {"prime": "string", "length": "long", "temperature": "double", "seed": "long"}
    types |= {"top_k": "long", "top_p": "double"}
    signature = ModelSignature(
        inputs=Schema([ColSpec(kind, column, required=column == "prime") for column, kind in types.items()]),
        outputs=Schema([ColSpec("string", "text")]),
    )
    # Model.log finds its store through a process-wide setting and the environment; put back, they concern nobody else.
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    client = MlflowClient(tracking_uri=run.uri)
    try:
        with reporting(run.uri):
            mlflow.set_tracking_uri(run.uri)
            model = client.create_logged_model(run.experiment_id, "model", source_run_id=run.run_id)
            Model.log(
                artifact_path=None,
                flavor=mlflow.pyfunc,
                run_id=run.run_id,
                model_id=model.model_id,
                loader_module="charrnn.serving",
                data_path=str(data),
                code_paths=[str(code)],
                pip_requirements=list(requirements),
                signature=signature,
                input_example=pd.DataFrame([example]),
            )
            client.finalize_logged_model(model.model_id, "READY")
            _create_registered_model(client, name)
            source = f"models:/{model.model_id}"
            version = client.create_model_version(name, source, run_id=run.run_id, model_id=model.model_id)
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None unsets it
    return str(version.version)


def _create_registered_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _process_tags() -> dict[str, str]:
    process = psutil.Process()
    return dict(zip(PROCESS_TAGS, (socket.gethostname(), str(process.pid), str(process.create_time())), strict=True))


def _end_orphans(client: MlflowClient, experiment_id: str) -> None:
    """Mark runs KILLED whose process on this machine is gone: nothing stays RUNNING for ever."""
    running = client.search_runs([experiment_id], "attributes.status = 'RUNNING'", ViewType.ACTIVE_ONLY)
    for run in running:
        if _is_orphan(run):
            logger.warning("run %s was left running by a process that is gone: marked KILLED", run.info.run_id)
            client.set_terminated(run.info.run_id, status="KILLED")


def _is_orphan(run: Run) -> bool:
    host, pid, started = (run.data.tags.get(tag, "") for tag in PROCESS_TAGS)
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        return str(psutil.Process(int(pid)).create_time()) != started
    except psutil.NoSuchProcess:
        return True
