"""The sender of a run's messages: a thread of its own empties the outbox, so that training never waits for the store.

Rows of metrics are gathered into batches first. While the store is away the sender tries again at growing intervals.
Knows no MLflow.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from charrnn.errors import TrackingError
from tasks.tracking.outbox.messages import Message, Metrics, RefusedError, Row
from tasks.tracking.outbox.queue import Outbox, Send

logger = logging.getLogger("charrnn")

# One batch of 1000 metrics costs SQLite 150 ms, one alone 15 ms; more than 1000 are refused.
BATCH = 1000
FLUSH_SECONDS = 5.0

# Time between two attempts (s): short at first, for a server that restarts; longer later, to spare an overloaded one.
FIRST_DELAY, LONGEST_DELAY = 2.0, 30.0
# A single failure is more often a server that is busy than one that is away: the second in a row is logged.
LOGGED_FAILURES = 2


class Sender:
    """Sends the messages in the outbox of one run as soon as the store takes them."""

    def __init__(self, outbox: Outbox, send: Send, address: str, explain: Callable[[Exception], str]) -> None:
        """No thread is started before the first message.

        Args:
            outbox: the queue to empty.
            send: brings one message to the store.
            address: of the store, without credentials.
            explain: returns in a few words why an attempt failed.
        """
        self.outbox = outbox
        self._send = send
        self._address = address
        self._explain = explain
        self._rows: list[Row] = []
        self._flushed_at = time.monotonic()
        self._gathering = threading.RLock()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._sent = 0
        self._failures = 0
        self._logged = False
        self._waiting = 0
        self._hurry = threading.Event()

    def gather(self, row: Row) -> None:
        """Keep `row`, which is written to disk with others every few seconds or at `flush`. Raises as `append` does."""
        with self._gathering:
            self._rows.append(row)
            if time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
                self.flush()

    def flush(self) -> None:
        """Return when every row is on disk. Raises as `append` does."""
        with self._gathering:
            while self._rows:
                # Forgotten only when they are on disk.
                self.append(Metrics(tuple(self._rows[:BATCH])))
                del self._rows[:BATCH]
            self._flushed_at = time.monotonic()

    def append(self, message: Message, attachment: Path | None = None) -> None:
        """Queue `message` and make sure that the thread runs; the message is on disk when this returns.

        Raises:
            FileError: the outbox cannot be written.
        """
        self.outbox.append(message, self._address, attachment)
        self._wake()

    def raise_refusal(self) -> None:
        """Raise TrackingError if the store has refused a message; it names the first."""
        if self.outbox.refusals:
            first = self.outbox.refusals[0]
            raise TrackingError(
                f"tracking.uri {self._address}: {first} (what was refused is kept in {self.outbox.folder})"
            )

    def wait(self, patience: float) -> int:
        """Wait until everything is sent, or until the store has been away for `patience` seconds meanwhile.

        Returns:
            The number of messages that still wait.
        """
        self._wake()
        with self._changed:
            self._waiting += 1
            self._hurry.set()
            try:
                sent, until = self._sent, time.monotonic() + patience
                while (left := len(self.outbox.pending())) or self._thread is not None:
                    if self._sent > sent:
                        sent, until = self._sent, time.monotonic() + patience
                    if self._failures and time.monotonic() >= until:
                        break
                    self._changed.wait(0.5)
            finally:
                self._waiting -= 1
        return left

    def _wake(self) -> None:
        with self._changed:
            if self._thread is None and self.outbox.pending():
                self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                self.outbox.drain(self._deliver)
            # Of any kind: what was not sent is on disk, and the run goes on.
            except Exception as error:
                self._fail(error)
                self._back_off()
                continue
            with self._changed:
                if not self.outbox.pending():
                    if self._logged:
                        logger.info("tracking  the store answers again; everything that was kept has been sent")
                    self._logged, self._thread = False, None
                    self._changed.notify_all()
                    return

    def _deliver(self, message: Message, attachment: Path | None) -> None:
        try:
            self._send(message, attachment)
        except RefusedError:
            self._failures = 0
            raise
        with self._changed:
            self._sent += 1
            self._failures = 0
            self._changed.notify_all()

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._failures += 1
            self._changed.notify_all()
        if self._failures >= LOGGED_FAILURES and not self._logged:
            self._logged = True
            logger.warning(
                "warning   tracking store %s does not answer (%s); the run goes on, %d operations are kept in %s",
                self._address,
                self._explain(error),
                len(self.outbox.pending()),
                self.outbox.folder,
            )

    def _back_off(self) -> None:
        """Wait before the next attempt; no longer than the first delay while `wait` is called."""
        delay = FIRST_DELAY if self._waiting else min(FIRST_DELAY * 2 ** (self._failures - 1), LONGEST_DELAY)
        self._hurry.wait(delay)
        self._hurry.clear()
