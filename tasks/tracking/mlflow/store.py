"""Reaching the store: connections, experiments, and what its errors mean."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from charrnn.config.redaction import redact
from charrnn.config.schema import TrackingParams
from charrnn.errors import CharrnnError, TrackingError
from charrnn.files import atomic_file, sweep
from tasks.tracking.address import check_writable, one_at_a_time, sqlite_folder, tracking_uri, waiting_out_locks

# It logs every "database is locked" with a traceback; here each is waited out, or reported in one line.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

# HTTP answers of the 400s that mean "not now": request timeout, too many requests, cancelled.
NOT_NOW = (408, 429, 499)


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


def is_refusal(error: Exception) -> bool:
    """Whether a store that raised `error` has answered no, and would again."""
    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
    else:
        # What requests raises has the answer, if there was one.
        status = getattr(getattr(error, "response", None), "status_code", 0)
    return (400 <= status < 500 and status not in NOT_NOW) or status == 501


@waiting_out_locks
def connect(params: TrackingParams) -> tuple[MlflowClient, str]:
    """Return a client and the id of the experiment, made if it is not there.

    Raises:
        TrackingError: the store does not answer, or the experiment was deleted.
        FileError: the folder of a SQLite store cannot be made or written.
    """
    uri, client = tracking_uri(params), client_of(params)
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


def client_of(params: TrackingParams) -> MlflowClient:
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
