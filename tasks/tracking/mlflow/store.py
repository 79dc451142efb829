"""The tracking store: one class owns its client, the wait for SQLite's locks, what its errors mean, its experiments."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Concatenate, ParamSpec, TypeVar

from mlflow import MlflowClient, entities
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from charrnn.config.redaction import one_line, redact
from charrnn.config.schema import TrackingParams
from charrnn.errors import TrackingError
from tasks.tracking.address import tracking_uri
from tasks.tracking.mlflow.sqlite import is_missing, make_if_missing, one_at_a_time, sqlite_folder

# It logs every "database is locked" with a traceback; here each is waited out, or reported in one line.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

# How long another process may keep a SQLite store locked (s): no write takes that long, so the process is stuck.
LOCK_SECONDS = 60.0
# What is said of a connection that ends before its answer has come.
BROKEN = "Connection aborted"
# How long a request that may have arrived has to end before it is made again (s).
BREATH = 0.5
# HTTP answers of the 400s that mean "not now": request timeout, too many requests, cancelled.
NOT_NOW = (408, 429, 499)

P = ParamSpec("P")
T = TypeVar("T")


class StoreError(TrackingError):
    """A request to the store failed.

    Attributes:
        reason: why, in one line that does not name the store.
        refused: whether the store has answered no, and would again.
        missing: whether it has answered that it has no such thing.
    """

    def __init__(self, message: str, reason: str = "", *, refused: bool = False, missing: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.refused = refused
        self.missing = missing


class Store:
    """One tracking store. Every request to MLflow is made through it."""

    def __init__(self, uri: str) -> None:
        """No request is made.

        Args:
            uri: the tracking URI, with credentials.
        """
        self.uri = uri

    @classmethod
    def of(cls, params: TrackingParams) -> "Store":
        """Return the store that the parameters name; no request is made. Raises TrackingError as `tracking_uri`."""
        return cls(tracking_uri(params))

    @cached_property
    def client(self) -> MlflowClient:
        """Made at the first use: that of a SQLite store opens the file, which must be there.

        Raises:
            StoreError: it is not. MLflow would make it, for a question as well; only `open_experiment` makes it.
        """
        if is_missing(self.uri):
            why = "is not there yet; the first run that is recorded in it makes it"
            raise StoreError(f"tracking.uri {redact(self.uri)}: {why}", why)
        return MlflowClient(tracking_uri=self.uri)

    def ask(self, request: Callable[Concatenate[MlflowClient, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `request` returns when it is called with the client and the other arguments.

        As `ask_once`, but `request` is called a second time, after BREATH, where a connection breaks: a server closes
        connections that nobody has used for a while (MLflow's: 5 s), and may do so just as one is used again.

        Args:
            request: a method of MlflowClient, or a function of several requests, which changes nothing when it is made
                a second time.
            args: further arguments.
            kwargs: further arguments by name.

        Raises:
            StoreError: the store does not answer, or refuses.
        """
        try:
            return self.ask_once(request, *args, **kwargs)
        except StoreError as error:
            if BROKEN not in error.reason:
                raise
        time.sleep(BREATH)
        return self.ask_once(request, *args, **kwargs)

    def ask_once(self, request: Callable[Concatenate[MlflowClient, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `request` returns; for what must not be made twice, since a lost answer may be that of a success.

        It is called again while another process has the SQLite store locked, for up to a minute. Arguments and errors
        are those of `ask`.
        """
        until = time.monotonic() + LOCK_SECONDS
        with self.translating():
            while True:
                try:
                    return request(self.client, *args, **kwargs)
                except Exception as error:
                    if "database is locked" not in str(error) or time.monotonic() >= until:
                        raise
                time.sleep(1.0)

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Raise what MLflow and its transports raise in the block as a StoreError of one line."""
        try:
            yield
        # An ImportError is a database whose driver is not installed.
        except (MlflowException, SQLAlchemyError, OSError, ImportError, json.JSONDecodeError) as error:
            why = reason(error)
            message = f"tracking.uri {redact(self.uri)}: {why}"
            missing = getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"
            raise StoreError(message, why, refused=_is_refusal(error), missing=missing) from None

    def find_experiment(self, name: str) -> entities.Experiment | None:
        """Return the experiment `name`, which may have been deleted; None where there is none. Raises StoreError."""
        return self.ask(_get_experiment, self.uri, name)

    def open_experiment(self, name: str) -> str:
        """Return the id of the experiment `name`; it is made if it is not there, and so is a SQLite store.

        Raises:
            TrackingError: the store does not answer, or the experiment was deleted.
            FileError: the folder of a SQLite store cannot be made or written.
        """
        with self.translating():
            make_if_missing(self.uri)
        if found := self.experiment_id(name):
            return found
        folder = sqlite_folder(self.uri)
        return self.ask(_create_experiment, name, (folder / "artifacts").as_uri() if folder else None)

    def experiment_id(self, name: str) -> str:
        """Return the id of the experiment `name`; '' where there is none.

        Raises:
            TrackingError: the store does not answer, or the experiment was deleted.
        """
        experiment = self.find_experiment(name)
        if experiment is None:
            return ""
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"tracking.experiment: '{name}' was deleted in {redact(self.uri)}; restore it or name another"
            )
        return str(experiment.experiment_id)


def reason(error: Exception) -> str:
    """Return why a request failed, in one line: of a chain of transport errors, the first cause."""
    if isinstance(error, StoreError):
        return error.reason
    return one_line(str(error).rpartition("Caused by ")[2])[:300]


def _is_refusal(error: Exception) -> bool:
    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
    else:
        # What requests raises has the answer, if there was one.
        status = getattr(getattr(error, "response", None), "status_code", 0)
    return (400 <= status < 500 and status not in NOT_NOW) or status == 501


def _get_experiment(client: MlflowClient, uri: str, name: str) -> entities.Experiment | None:
    with one_at_a_time(uri):
        return client.get_experiment_by_name(name)


def _create_experiment(client: MlflowClient, name: str, location: str | None) -> str:
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException:
        # Another pipeline that started in the same moment may have made it.
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise
        return str(experiment.experiment_id)
