"""The outbox: what a run tells its tracking store, on disk until the store has it.

A folder for each run, `<data.directory>/outbox/<run id>/`, with one numbered file for each operation and a folder of
the same number for the file it carries. Knows neither MLflow nor how anything is sent.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from charrnn.config.schema import Params
from charrnn.files import explain, keep_as, write_bytes, write_text
from charrnn.stopping import signals_wait
from tasks.tracking.outbox.messages import OPERATION, Operation, RefusedError, artifact_path

FOLDER = "outbox"
STORE_FILE = "store"

Send = Callable[[Operation, Path | None], None]
"""Brings an operation and its attached file to the store; RefusedError says that it will never take it, any other
error that it may take it later."""


class Outbox:
    """The operations of one run that wait to be sent; any number of threads and processes may use it."""

    def __init__(self, folder: Path) -> None:
        """Nothing is touched until something is written."""
        self.folder = folder
        self.refusals: list[RefusedError] = []
        """What the store refused while this object drained the outbox."""

    @property
    def store(self) -> str:
        """The address of the store the operations are for, without credentials; '' when nothing was written yet."""
        try:
            return (self.folder / STORE_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def pending(self) -> list[Path]:
        """Return the files of the operations that wait, in order."""
        return sorted(self.folder.glob("*.json"))

    def operations(self) -> list[Operation]:
        """Return the operations that wait, in order; some may have been sent by then."""
        found = []
        for entry in self.pending():
            # Whatever is damaged is told when its turn comes.
            with suppress(FileNotFoundError, RefusedError):
                found.append(_read(entry))
        return found

    def kept(self) -> int:
        """Return how many operations the store has not got: those that wait, and those it refused."""
        return len(self.pending()) + len(list(self.folder.glob("*.refused")))

    def append(self, operation: Operation, store: str, attachment: Path | None = None) -> None:
        """Write `operation` down, durably, behind all others.

        An artifact takes the place of one for the same path that still waits, so that hourly checkpoints do not pile up
        while the store is away.

        Args:
            operation: what to send.
            store: address of the store, without credentials.
            attachment: a file to keep with it. It is linked where that is possible: it may be replaced or deleted
                afterwards, as `charrnn.files` does it, but not be changed in place.

        Raises:
            FileError: it cannot be written.
        """
        with self._writing():
            number = f"{self._last_number() + 1:08d}"
            if not self.store:
                write_text(self.folder / STORE_FILE, store)
            if attachment is not None:
                keep_as(attachment, self.folder / number / attachment.name)
            path = artifact_path(operation)
            mark = "" if path is None else f"-{hashlib.sha256(path.encode()).hexdigest()[:16]}"
            replaced = [] if path is None else list(self.folder.glob(f"*{mark}.json"))
            write_bytes(self.folder / f"{number}{mark}.json", OPERATION.dump_json(operation))
            for entry in replaced:
                _remove(entry)

    def drain(self, send: Send) -> None:
        """Send what waits, in order, one process and thread at a time; each is removed once it was sent.

        What the store refuses is set aside, see `refusals` and `restore`.

        Raises:
            Exception: what `send` raised other than RefusedError; that operation and all behind it wait on.
        """
        if not self.pending():
            return
        try:
            alone = FileLock(self.folder / ".sending").acquire()
        except FileNotFoundError:
            # Another process has sent everything in the meantime, and discarded the folder.
            return
        with alone:
            while entries := self.pending():
                for entry in entries:
                    self._send(entry, send)

    def restore(self) -> None:
        """Let what was refused wait again, in its old place: the reason may be gone."""
        with self._writing():
            for entry in self.folder.glob("*.refused"):
                entry.rename(entry.with_suffix(".json"))

    def discard(self) -> None:
        """Remove the folder if there is nothing in it that the store has not got."""
        if not self.folder.exists():
            return
        with self._writing():
            if not self.kept():
                shutil.rmtree(self.folder, ignore_errors=True)

    def _send(self, entry: Path, send: Send) -> None:
        attachments = list((self.folder / _number(entry)).glob("[!.]*"))
        try:
            send(_read(entry), attachments[0] if attachments else None)
        except RefusedError as error:
            self.refusals.append(error)
            with self._writing():
                if entry.exists():
                    entry.rename(entry.with_suffix(".refused"))
        except Exception:
            if entry.exists():
                raise
            # A newer artifact for the same path has taken its place in the meantime, and is behind it in the queue.
        else:
            # Alone: once the file is gone its number is free, and with it the folder that is removed next.
            with self._writing():
                _remove(entry)

    def _last_number(self) -> int:
        return max((int(path.name[:8]) for path in self.folder.iterdir() if path.name[:8].isdigit()), default=0)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Keep others from writing, in any outbox beside this one; make the folder."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Interrupted here, this thread would keep the lock, and the thread that sends wait for it for ever.
            with signals_wait(), FileLock(self.folder.parent / ".writing"):
                # Another process may have discarded it before the lock was had.
                self.folder.mkdir(exist_ok=True)
                yield
        except OSError as error:
            raise explain(error, "write", self.folder) from error


def outbox_folder(params: Params, run_id: str) -> Path:
    """Return the folder of a run's outbox, which need not exist."""
    return Path(params.data.directory).absolute() / FOLDER / run_id


def outboxes(params: Params) -> list[Outbox]:
    """Return the outbox of each run that has one, whether or not anything waits in it."""
    return [Outbox(path.parent) for path in sorted(outbox_folder(params, "").glob(f"*/{STORE_FILE}"))]


def _read(entry: Path) -> Operation:
    try:
        operation: Operation = OPERATION.validate_json(entry.read_bytes())
    except ValidationError:
        raise RefusedError(f"{entry}: is damaged, or of another version of this pipeline") from None
    return operation


def _remove(entry: Path) -> None:
    # The operation first: what it carries is of no use without it, but not the other way round.
    entry.unlink(missing_ok=True)
    shutil.rmtree(entry.with_name(_number(entry)), ignore_errors=True)


def _number(entry: Path) -> str:
    return entry.name[:8]
