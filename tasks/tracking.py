"""The MLflow room: the only module that imports mlflow.

Finds, starts and reads runs and models, and brings what runs report (`tasks.operations`) to the store: under which
names things go there is decided here. Everything goes through `MlflowClient` with a run id, so that it works from any
thread or process; there is no active run.
"""

import json
import logging
import re
import statistics
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, assert_never

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    Metric,
    Param,
    RunInfo,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.types.schema import ColSpec, Schema
from sqlalchemy.exc import SQLAlchemyError

import charrnn
from charrnn.errors import CharrnnError, TrackingError
from charrnn.figures import loss_curves
from charrnn.files import atomic_file, sweep
from charrnn.param_files import load_params
from charrnn.params import Params, TrackingParams
from charrnn.redaction import redact
from tasks import operations as op
from tasks.outbox import outbox_folder
from tasks.processes import PROCESS_TAGS, is_at_work, is_gone, process_tags
from tasks.stores import check_writable, one_at_a_time, sqlite_folder, tracking_uri, waiting_out_locks

logger = logging.getLogger("charrnn")

# It logs every "database is locked" with a traceback; here each is waited out, or reported in one line.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

CHECKPOINTS = "checkpoints"
BEST, LAST = "best.ckpt", "last.ckpt"
# What a run that starts from a trained model keeps of it, and its tags. Not `mlflow.parentRunId`: the UI would hide the
# run under its parent until that is unfolded, as if it were a part of it.
INITIAL = "initial.ckpt"
INIT_FROM_TAG, PARENT_TAG = "charrnn.init_from", "charrnn.parent_run_id"
FLOW_RUN_TAG, FLOW_RUN_ID = "prefect.flow_run_id", re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PARAMS_FILE = "params.yaml"
SAMPLES_FILE = "samples/samples.json"
TABLES_TAG = "mlflow.loggedArtifacts"
SHA256_TAG = "checkpoint.sha256"

# HTTP answers of the 400s that mean "not now": request timeout, too many requests, cancelled.
NOT_NOW = (408, 429, 499)


@dataclass(frozen=True)
class RunRef:
    """Which run, where: small, so that it can travel between tasks.

    Attributes:
        uri: of the tracking store, with credentials.
        run_id: of the run.
        experiment_id: of its experiment.
        started: when the run began (ms since 1970).
        outbox: the folder in which what it reports waits to be sent.
    """

    uri: str
    run_id: str
    experiment_id: str
    started: int
    outbox: Path

    @property
    def ui_path(self) -> str:
        """The run's page in the MLflow UI, in its view for trained models, from the server's address on."""
        return f"/#/experiments/{self.experiment_id}/runs/{self.run_id}?workflowType=machine_learning"


@dataclass(frozen=True)
class RunRecord:
    """What a store knows of a run, for those who only read.

    Attributes:
        run_id: of the run.
        name: of the run.
        status: FINISHED, FAILED, KILLED or RUNNING.
        seconds: from its start to its end (s); None while it runs.
        params: flattened.
        metrics: name -> (step, value) in order of steps.
        sample: the middle one of its samples; '' where it has none.
    """

    run_id: str
    name: str
    status: str
    seconds: float | None
    params: dict[str, str]
    metrics: dict[str, list[tuple[int, float]]]
    sample: str

    def curve(self, metric: str) -> list[tuple[int, float]]:
        """Return (step, value) of `metric`; empty where the run has none."""
        return self.metrics.get(metric, [])

    def last(self, metric: str, of: Literal["value", "step"] = "value") -> float | None:
        """Return the last value of `metric`, or its step; None where the run has none."""
        rows = self.curve(metric)
        return rows[-1][0 if of == "step" else 1] if rows else None

    def median(self, metric: str) -> float | None:
        """Return the median of `metric`; None where the run has none."""
        rows = self.curve(metric)
        return statistics.median(value for _, value in rows) if rows else None


@contextmanager
def reporting(uri: str) -> Iterator[None]:
    """Turn what MLflow and its transports raise into one TrackingError line."""
    try:
        yield
    except CharrnnError:
        raise
    # An ImportError is a database whose driver is not installed.
    except (MlflowException, SQLAlchemyError, OSError, ImportError, json.JSONDecodeError) as error:
        raise TrackingError(f"tracking.uri {redact(uri)}: {reason(error)}") from None


def reason(error: Exception) -> str:
    """Return why a request failed, in one line: of a chain of transport errors, the first cause."""
    return redact(" ".join(str(error).split()).rpartition("Caused by ")[2])[:300]


@waiting_out_locks
def connect(params: TrackingParams) -> tuple[MlflowClient, str]:
    """Return a client and the id of the experiment, made if it is not there.

    Raises:
        TrackingError: the store does not answer, or the experiment was deleted.
        FileError: the folder of a SQLite store cannot be made or written.
    """
    uri, client = tracking_uri(params), _client(params)
    with reporting(uri):
        with one_at_a_time(uri):
            experiment = client.get_experiment_by_name(params.experiment)
        if experiment is None:
            folder = sqlite_folder(uri)
            location = (folder / "artifacts").as_uri() if folder else None
            return client, _create_experiment(client, params.experiment, location)
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"tracking.experiment: '{params.experiment}' was deleted in {redact(uri)}; restore it or name another"
            )
        return client, str(experiment.experiment_id)


def _client(params: TrackingParams) -> MlflowClient:
    """Return a client of the store, made if it is one of SQLite and not there. Raises TrackingError or FileError."""
    uri = tracking_uri(params)
    if folder := sqlite_folder(uri):
        check_writable(folder)
        _make_store(uri)
    with reporting(uri):
        return MlflowClient(tracking_uri=uri)


def _create_experiment(client: MlflowClient, name: str, location: str | None) -> str:
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException:
        # Another pipeline that started in the same moment may have made it.
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise
        return str(experiment.experiment_id)


def _make_store(uri: str) -> None:
    """Make the tables of a SQLite store that is not there yet, aside: with only some of them it is of no use any more.

    They take MLflow seconds, in which the process may be killed.
    """
    path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
    with one_at_a_time(uri):
        if not path.exists():
            sweep(path.parent)
            with atomic_file(path) as temporary, reporting(uri):
                MlflowClient(tracking_uri=f"sqlite:///{temporary}")


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
                if not _is_refusal(error):
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
def read_run(run: RunRef, metrics: Sequence[str]) -> RunRecord:
    """Return what the store knows of `run`, and the histories of `metrics`. Raises TrackingError."""
    with reporting(run.uri):
        client = MlflowClient(tracking_uri=run.uri)
        found = client.get_run(run.run_id)
        histories = {
            name: sorted((row.step, row.value) for row in client.get_metric_history(run.run_id, name))
            for name in metrics
            if name in found.data.metrics
        }
    info = found.info
    seconds = (info.end_time - info.start_time) / 1000 if info.end_time else None
    return RunRecord(
        info.run_id, info.run_name, info.status, seconds, dict(found.data.params), histories, _middle_sample(run)
    )


def _middle_sample(run: RunRef) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        path = download(run, SAMPLES_FILE, Path(temporary))
        if path is None:
            return ""
        table = json.loads(path.read_text(encoding="utf-8"))
    texts = [str(row[table["columns"].index("text")]) for row in table["data"]]
    return texts[len(texts) // 2] if texts else ""


@waiting_out_locks
def last_runs(params: Params, number: int) -> list[RunRef]:
    """Return the experiment's newest runs, the newest first; none where there is no such experiment.

    Raises:
        TrackingError: the store does not answer.
    """
    client, uri = _client(params.tracking), tracking_uri(params.tracking)
    with reporting(uri):
        experiment = client.get_experiment_by_name(params.tracking.experiment)
        if experiment is None:
            return []
        order = ["attributes.start_time DESC"]
        runs = client.search_runs([experiment.experiment_id], order_by=order, max_results=number)
    return [_ref(uri, run.info, params) for run in runs]


@waiting_out_locks
def run_at(uri: str, run_id: str, outbox: Path) -> RunRef:
    """Return the run whose `outbox` is here, from the store it belongs to. Raises TrackingError."""
    with reporting(uri):
        info = MlflowClient(tracking_uri=uri).get_run(run_id).info
    return RunRef(uri, run_id, info.experiment_id, info.start_time, outbox)


def _ref(uri: str, info: RunInfo, params: Params) -> RunRef:
    return RunRef(uri, info.run_id, info.experiment_id, info.start_time, outbox_folder(params, info.run_id))


def _end_orphans(client: MlflowClient, experiment_id: str) -> None:
    """Mark runs KILLED whose process on this machine is gone: nothing stays RUNNING for ever."""
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'", ViewType.ACTIVE_ONLY):
        if is_gone(run.data.tags):
            logger.warning("run %s was left running by a process that is gone: marked KILLED", run.info.run_id)
            client.set_terminated(run.info.run_id, status="KILLED")


def download(run: RunRef, path: str, folder: Path) -> Path | None:
    """Copy the run's artifact `path` into `folder` and return where it is; None when the run has none."""
    with reporting(run.uri):
        client = MlflowClient(tracking_uri=run.uri)
        parent = path.rpartition("/")[0]
        if path not in {item.path for item in client.list_artifacts(run.run_id, parent or None)}:
            return None
        return Path(client.download_artifacts(run.run_id, path, str(folder)))


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


@waiting_out_locks
def alias_version(params: TrackingParams, name: str, alias: str) -> str:
    """Return the version of model `name` that has `alias`; '' if none has. Raises TrackingError."""
    client, uri = _client(params), tracking_uri(params)
    with reporting(uri):
        try:
            return str(client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            if not _is_refusal(error):
                raise
            return ""


@waiting_out_locks
def set_champion(params: TrackingParams, name: str, version: str, reason: str, alias: str | None) -> None:
    """Write on a version of model `name` why it is, or is not, the one to use; give it `alias`, if one is given.

    Raises:
        TrackingError: there is no such version, or the store does not answer.
    """
    client, uri = _client(params), tracking_uri(params)
    with reporting(uri):
        client.update_model_version(name, version, description=reason)
        if alias is not None:
            client.set_registered_model_alias(name, alias, version)


def registered_version(run: RunRef, name: str, sha256: str) -> str:
    """Return the version of model `name` that is the checkpoint `sha256` of `run`; '' if there is none."""
    with reporting(run.uri):
        versions = MlflowClient(tracking_uri=run.uri).search_model_versions(f"run_id = '{run.run_id}'")
    found = (item for item in versions if item.name == name and item.tags.get(SHA256_TAG) == sha256)
    return next((str(version.version) for version in found), "")


def system_figures(run: RunRef, stop: threading.Event) -> Iterator[dict[str, float]]:
    """Yield name -> value of CPU, memory, disk, network and GPU use, every 10 s until `stop` is set.

    MLflow's own monitor ends for good the first time that the store does not answer; only what it measures is used.
    """
    monitor = SystemMetricsMonitor(run.run_id, sampling_interval=10, tracking_uri=run.uri)
    prefix = f"system/{monitor.node_id}/" if monitor.node_id else "system/"
    while True:
        for _ in range(monitor.samples_before_logging):
            monitor.collect_metrics()
            if stop.wait(monitor.sampling_interval):
                return
        yield {prefix + name: value for name, value in monitor.aggregate_metrics().items()}
        for part in monitor.monitors:
            part.clear_metrics()


def _is_refusal(error: Exception) -> bool:
    """Whether a store that raised `error` has answered no, and would again."""
    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
    else:
        # What requests raises has the answer, if there was one.
        status = getattr(getattr(error, "response", None), "status_code", 0)
    return (400 <= status < 500 and status not in NOT_NOW) or status == 501


class Delivery:
    """Brings the operations of one run to the store; the same one again changes nothing."""

    def __init__(self, run: RunRef) -> None:
        """No request is made."""
        self.run = run
        self._new_rows = op.NewRows(lambda key: [metric.step for metric in self._history(key)])

    @cached_property
    def client(self) -> MlflowClient:
        """Made at the first use: that of a SQLite store opens the file."""
        return MlflowClient(tracking_uri=self.run.uri)

    def __call__(self, operation: op.Operation, attachment: Path | None) -> None:
        """Send `operation`.

        Raises:
            op.RefusedError: the store will never take it.
            Exception: anything else; it may take it later, or has it already.
        """
        try:
            self._send(operation, attachment)
        except Exception as error:
            if _is_refusal(error):
                raise op.RefusedError(reason(error)) from error
            raise

    # A store that others write to is busy, not away: whoever waits for the end of the run waits for it, too.
    @waiting_out_locks
    def _send(self, operation: op.Operation, attachment: Path | None) -> None:
        client, run_id = self.client, self.run.run_id
        match operation:
            case op.Metrics(rows):
                if new := self._new_rows.of(rows):
                    client.log_batch(run_id, metrics=[Metric(*row) for row in new])
            case op.LogParams(values):
                logged = client.get_run(run_id).data.params
                client.log_batch(run_id, params=[Param(*item) for item in values.items() if item[0] not in logged])
            case op.SetTags(values):
                client.log_batch(run_id, tags=[RunTag(*item) for item in values.items()])
            case op.Rename(name):
                client.update_run(run_id, name=name)
            case op.LogDataset():
                self._log_dataset(operation)
            case op.LogText(path, text):
                client.log_text(run_id, text, path)
            case op.LogTable(path, text):
                client.log_text(run_id, text, path)
                self._list_table(path)
            case op.LogFile(path):
                client.log_artifact(run_id, str(attachment), path.rpartition("/")[0] or None)
            case op.DrawCurves():
                self._draw(operation)
            case op.Register():
                assert attachment is not None
                self._register(operation, attachment)
            case op.Terminate(status, ended):
                client.set_terminated(run_id, status, ended)
            case _:
                assert_never(operation)

    def _history(self, key: str) -> list[Metric]:
        return list(self.client.get_metric_history(self.run.run_id, key))

    def _log_dataset(self, data: op.LogDataset) -> None:
        source = json.dumps({"source": data.source})
        dataset = Dataset(data.name, data.digest, "code", source, schema=None, profile=data.profile)
        tags = [InputTag("mlflow.data.context", data.context)]
        self.client.log_inputs(self.run.run_id, [DatasetInput(dataset, tags)])

    def _list_table(self, path: str) -> None:
        """List the artifact `path` among the run's tables, which the UI shows.

        `MlflowClient.log_table` would append to it, and a retried task would double its rows.
        """
        tables = json.loads(self.client.get_run(self.run.run_id).data.tags.get(TABLES_TAG, "[]"))
        entry = {"path": path, "type": "table"}
        if entry not in tables:
            self.client.set_tag(self.run.run_id, TABLES_TAG, json.dumps([*tables, entry]))

    def _draw(self, picture: op.DrawCurves) -> None:
        train, val = (
            sorted((row.step, row.value) for row in self._history(f"{name}/loss")) for name in ("train", "val")
        )
        folder, _, name = picture.path.rpartition("/")
        with tempfile.TemporaryDirectory() as temporary:
            local = Path(temporary) / name
            local.write_bytes(loss_curves(train, val, picture.baselines, "Loss"))
            self.client.log_artifact(self.run.run_id, str(local), folder or None)

    def _register(self, wanted: op.Register, checkpoint: Path) -> None:
        """Log a pyfunc model loaded from code (`charrnn.serving`) and register it; goes on with one that is half made.

        Model.log would do the first half, but would make another model each time.
        """
        client, run = self.client, self.run
        _create_registered_model(client, wanted.name)
        if registered_version(run, wanted.name, wanted.sha256):
            return
        tags = {SHA256_TAG: wanted.sha256}
        models = client.search_logged_models([run.experiment_id], f"tags.`{SHA256_TAG}` = '{wanted.sha256}'")
        mine = [model for model in models if model.source_run_id == run.run_id]
        model = mine[0] if mine else client.create_logged_model(run.experiment_id, "model", run.run_id, tags)
        outputs = client.get_run(run.run_id).outputs
        if model.model_id not in {output.model_id for output in (outputs.model_outputs if outputs else [])}:
            client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step=0)])
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "model"
            mlflow.pyfunc.save_model(
                folder,
                loader_module="charrnn.serving",
                data_path=str(checkpoint),
                code_paths=[str(Path(charrnn.__file__).parent)],
                mlflow_model=Model(
                    artifact_path=model.artifact_location,
                    run_id=run.run_id,
                    model_uuid=model.model_id,
                    model_id=model.model_id,
                ),
                signature=_signature(),
                input_example=pd.DataFrame([wanted.example]),
                pip_requirements=list(wanted.requirements),
            )
            client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
        source = f"models:/{model.model_id}"
        with _set_process_wide(run.uri):
            client.create_model_version(wanted.name, source, run_id=run.run_id, tags=tags, model_id=model.model_id)


@contextmanager
def _set_process_wide(uri: str) -> Iterator[None]:
    """Set the tracking URI of the process: a SQLite store looks for models:/<id> there, not where it is itself."""
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None unsets it


def _signature() -> ModelSignature:
    types = {"prime": "string", "length": "long", "temperature": "double", "seed": "long"}
    types |= {"top_k": "long", "top_p": "double"}
    return ModelSignature(
        inputs=Schema([ColSpec(kind, column, required=column == "prime") for column, kind in types.items()]),
        outputs=Schema([ColSpec("string", "text")]),
    )


def _create_registered_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
