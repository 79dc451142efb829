"""Tracking stores that are a SQLite file: the folder they are in, and how their tables are made."""

import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient

from charrnn.config.sqlite_address import sqlite_address, sqlite_file
from charrnn.errors import FileError
from charrnn.files import atomic_file, sweep


def sqlite_folder(uri: str) -> Path | None:
    """Return the folder of a SQLite store; None for another kind of store."""
    file = sqlite_file(uri)
    return None if file is None else file.resolve().parent


def one_at_a_time(uri: str) -> AbstractContextManager[object]:
    """Keep pipelines that start together from making the tables of one SQLite store at once."""
    folder = sqlite_folder(uri)
    return FileLock(folder / ".mlflow.lock") if folder else nullcontext()


def is_missing(uri: str) -> bool:
    """Whether `uri` is a SQLite store whose file is not there."""
    file = sqlite_file(uri)
    return file is not None and not file.exists()


def make_if_missing(uri: str) -> None:
    """Make a SQLite store that is not there yet; do nothing for another kind of store.

    MLflow takes seconds to make the tables, and a store with only some of them is of no use: they are made in a
    temporary file, which is renamed when it is complete.

    Raises:
        FileError: the folder cannot be made or written.
    """
    path = sqlite_file(uri)
    if path is None:
        return
    _check_writable(path.resolve().parent)
    with one_at_a_time(uri):
        if not path.exists():
            sweep(path.parent)
            with atomic_file(path) as temporary:
                MlflowClient(tracking_uri=sqlite_address(temporary))


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FileError(f"{folder}: cannot write the MLflow store there: {error.strerror}") from None
