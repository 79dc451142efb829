"""Where the tracking store is: its address, and the folder and locks of one that is a SQLite file. Knows no MLflow."""

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from filelock import FileLock

from charrnn.config.loading import BASE_FILE, PROJECT
from charrnn.config.schema import TrackingParams
from charrnn.errors import FileError

# How long another process may keep a SQLite store locked (s): longer than any write takes, so it is stuck.
LOCK_SECONDS = 60.0

P = ParamSpec("P")
T = TypeVar("T")


def tracking_uri(params: TrackingParams) -> str:
    """Return the tracking URI: the parameter, MLFLOW_TRACKING_URI, or SQLite under the project's mlruns/."""
    if params.uri:
        return params.uri
    project = PROJECT if BASE_FILE.exists() else Path.cwd()
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project}/mlruns/mlflow.db"


def sqlite_folder(uri: str) -> Path | None:
    """Return the folder of a SQLite store; None for another kind of store."""
    return Path(uri.removeprefix("sqlite:///")).resolve().parent if uri.startswith("sqlite:///") else None


def one_at_a_time(uri: str) -> AbstractContextManager[object]:
    """Keep pipelines that start together from making the tables of one SQLite store at once."""
    folder = sqlite_folder(uri)
    return FileLock(folder / ".mlflow.lock") if folder else nullcontext()


def check_writable(folder: Path) -> None:
    """Make the folder of a SQLite store. Raises FileError where it cannot be made or written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FileError(f"{folder}: cannot write the MLflow store there: {error.strerror}") from None


def waiting_out_locks(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate `function` to be called again as long as another process has its SQLite store locked, up to a minute."""

    @wraps(function)
    def patient(*args: P.args, **kwargs: P.kwargs) -> T:
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return function(*args, **kwargs)
            # Whichever layer names it: MLflow's exceptions, or the TrackingError they were made into.
            except Exception as error:
                if "database is locked" not in str(error) or time.monotonic() >= until:
                    raise
                time.sleep(1.0)

    return patient
