"""The one way files are written: beside themselves, fsynced, then renamed.

A reader sees the old file or the new one, never half of one, also after a power cut. What a killed process leaves
half-written bears its name, and `sweep` removes it. Knows nothing of what the files hold.
"""

import errno
import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from charrnn.errors import FileError

# The name of a file that is being written: the name it will have, the process that writes it, random digits. SQLite
# names its journal after it.
_PART = re.compile(r"\..+\.(?P<host>[^.]*)-(?P<pid>\d+)-\w+\.part(-journal)?")


def explain(error: OSError, action: str, path: Path) -> FileError:
    """Return the one-line error for an operating system's `error` met while doing `action` on `path`."""
    return FileError(f"{path}: cannot {action}: {error.strerror or error}")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well, it is fsynced and becomes `path`.

    When the block raises, the temporary file goes and `path` is as it was.

    Raises:
        FileError: the file cannot be written (no permission, disk full, read-only, ...).
    """
    temporary: Path | None = None
    try:
        if path.is_dir():  # found out before anything is written, beside this file or with it
            raise FileError(f"{path}: cannot write: {os.strerror(errno.EISDIR)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            raise FileError(f"{path}: cannot write: it is a device or a pipe, which would be replaced")
        temporary = _beside(path)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
        _fsync_directory(path.parent)
    except OSError as error:
        raise explain(error, "write", path) from error
    finally:
        if temporary is not None:
            # A read-only disk refuses this even where there is nothing to remove.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory beside `path`; when the block ends well, it becomes `path`, whole.

    When the block raises, or `path` has come to exist in the meantime, the temporary directory goes.

    Raises:
        FileError: the directory cannot be written (no permission, disk full, read-only, ...).
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(path)
        temporary.mkdir()
        yield temporary
        for file in temporary.iterdir():
            with open(file, "rb") as written:
                os.fsync(written.fileno())
        _fsync_directory(temporary)
        try:
            if not path.exists():
                os.replace(temporary, path)
        except OSError:
            if not path.exists():  # else another process was first
                raise
        _fsync_directory(path.parent)
    except OSError as error:
        raise explain(error, "write", path) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def keep_as(path: Path, other: Path) -> None:
    """Make `other` a second name of the file `path`, atomically, replacing what had that name. Raises FileError."""
    with atomic_file(other) as temporary:
        try:
            os.link(path, temporary)
        except OSError:  # not every file system has second names
            shutil.copyfile(path, temporary)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, atomically. Raises FileError where it cannot be written."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, atomically. Raises FileError where it cannot be written."""
    write_bytes(path, text.encode("utf-8"))


def sweep(folder: Path) -> None:
    """Remove from `folder`, if it exists, the half-written files of processes of this machine that have ended."""
    for path in folder.glob(".*"):
        match = _PART.fullmatch(path.name)
        if match and match["host"] == _host() and not psutil.pid_exists(int(match["pid"])):
            # Another process may be removing it, too; a file that cannot be removed does no harm.
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """Yield an empty directory in `folder`, on the same disk, that is gone afterwards.

    Raises:
        FileError: `folder` cannot be written, or an OSError ended the block.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        prefix = _part_prefix("workspace")
        with tempfile.TemporaryDirectory(dir=folder, prefix=prefix, suffix=".part") as directory:
            yield Path(directory)
    except OSError as error:
        raise explain(error, "write", folder) from error


def _part_prefix(name: str) -> str:
    """Return how the temporary name of `name` begins while this process writes it; a temporary name ends in .part."""
    return f".{name}.{_host()}-{os.getpid()}-"


def _host() -> str:
    return socket.gethostname().replace(".", "_")


def _beside(path: Path) -> Path:
    """Return a new name in the same directory, so that renaming to `path` is atomic; hidden from globs."""
    return path.with_name(f"{_part_prefix(path.name)}{secrets.token_hex(4)}.part")


def _fsync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
