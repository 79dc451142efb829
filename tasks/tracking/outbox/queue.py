"""The outbox: a durable queue of messages, each on disk until the store has it.

A folder for each run, with one numbered file for each message and a folder of the same number for the file it carries.
Knows neither MLflow nor how a message is sent.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from charrnn.data.folder import DataFolder
from charrnn.errors import FileError
from charrnn.files import explain, keep_as, write_bytes, write_text
from charrnn.stopping import signals_wait
from tasks.tracking.outbox.messages import MESSAGE, Message, RefusedError, artifact_path

# Holds the address of the store that the messages are for.
STORE_FILE = "store"

Send = Callable[[Message, Path | None], None]
"""Brings a message and its attached file to the store. RefusedError says that the store will never take it, any other
error that it may take it later."""


class Outbox:
    """The messages of one run that wait to be sent. Any number of threads and processes may use it."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written until a message is appended."""
        self.folder = folder
        self.refusals: list[RefusedError] = []
        """What the store refused while this object drained the outbox."""

    @property
    def address(self) -> str:
        """The address of the store that the messages are for, without credentials; '' before the first message."""
        try:
            return (self.folder / STORE_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def pending(self) -> list[Path]:
        """Return the files of the messages that wait, in order."""
        return sorted(self.folder.glob("*.json"))

    def messages(self) -> list[Message]:
        """Return the messages that wait, in order; another thread may have sent some of them by then."""
        found = []
        for entry in self.pending():
            # `drain` reports a damaged message.
            with suppress(FileNotFoundError, RefusedError):
                found.append(_read(entry))
        return found

    def kept(self) -> int:
        """Return the number of messages that the store does not have: those that wait, and those it refused."""
        return len(self.pending()) + len(list(self.folder.glob("*.refused")))

    def append(self, message: Message, address: str, attachment: Path | None = None) -> None:
        """Write `message` to disk, behind all others; it is durable when this returns.

        An artifact replaces one for the same path that still waits, so that hourly checkpoints do not pile up while the
        store is away.

        Args:
            message: what to send.
            address: of the store, without credentials.
            attachment: a file to keep with it. It is linked where that is possible: afterwards it may be replaced or
                deleted, as `charrnn.files` does it, but not changed in place.

        Raises:
            FileError: it cannot be written.
        """
        with self._writing():
            number = f"{self._last_number() + 1:08d}"
            if not self.address:
                write_text(self.folder / STORE_FILE, address)
            if attachment is not None:
                keep_as(attachment, self.folder / number / attachment.name)
            path = artifact_path(message)
            mark = "" if path is None else f"-{hashlib.sha256(path.encode()).hexdigest()[:16]}"
            replaced = [] if path is None else list(self.folder.glob(f"*{mark}.json"))
            write_bytes(self.folder / f"{number}{mark}.json", MESSAGE.dump_json(message))
            for entry in replaced:
                _remove(entry)

    def drain(self, send: Send) -> None:
        """Send the messages that wait, in order, one process and thread at a time; remove each once it was sent.

        A message that the store refuses is set aside, see `refusals` and `restore`.

        Raises:
            Exception: what `send` raised other than RefusedError; that message and all behind it stay in the queue.
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
        """Put the messages that were refused back into their places in the queue: the reason may be gone."""
        with self._writing():
            for entry in self.folder.glob("*.refused"):
                entry.rename(entry.with_suffix(".json"))

    def discard(self) -> None:
        """Remove the folder, unless it holds messages that the store does not have."""
        if not self.folder.exists():
            return
        with self._writing():
            if not self.kept():
                shutil.rmtree(self.folder, ignore_errors=True)

    def throw_away(self) -> None:
        """Remove the folder with every message in it, for good.

        Raises:
            FileError: another process is sending them, or the folder cannot be removed.
        """
        with self._writing():
            try:
                with FileLock(self.folder / ".sending", timeout=0):
                    shutil.rmtree(self.folder)
            except Timeout:  # an OSError, too
                raise FileError(f"{self.folder}: another process is sending what waits there; end that first") from None

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
            # Under the lock: once the file is gone, another message may take its number and the folder of that number.
            with self._writing():
                _remove(entry)

    def _last_number(self) -> int:
        return max((int(path.name[:8]) for path in self.folder.iterdir() if path.name[:8].isdigit()), default=0)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock for writing, one for all outboxes of the data folder; make this one's folder."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # An interrupt here would leave the lock held, and the sender would wait for it for ever.
            with signals_wait(), FileLock(self.folder.parent / ".writing"):
                # Another process may have discarded the folder before the lock was taken.
                self.folder.mkdir(exist_ok=True)
                yield
        except OSError as error:
            raise explain(error, "write", self.folder) from error


def outboxes(data: DataFolder) -> list[Outbox]:
    """Return the outbox of each run that has one, whether or not it holds messages."""
    return [Outbox(path.parent) for path in sorted(data.outboxes.glob(f"*/{STORE_FILE}"))]


def _read(entry: Path) -> Message:
    try:
        message: Message = MESSAGE.validate_json(entry.read_bytes())
    except ValidationError:
        raise RefusedError(f"{entry}: is damaged, or of another version of this pipeline") from None
    return message


def _remove(entry: Path) -> None:
    # The message first: an attachment without its message is harmless, a message without its attachment is not.
    entry.unlink(missing_ok=True)
    shutil.rmtree(entry.with_name(_number(entry)), ignore_errors=True)


def _number(entry: Path) -> str:
    return entry.name[:8]
