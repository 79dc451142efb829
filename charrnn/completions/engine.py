"""The engine: one thread that writes all running texts side by side.

Between two characters it lets new texts join, lets go those whose client has left, and reads a bounded piece of the
primes that wait, so that a long one does not hold the others. A text has a place from the first piece of its prime on;
those that have none wait in a queue with a limit. Places go to those who wait in turn, one text each, so that who asks
for many does not hold who asks for one. The batches are of this thread alone; the weights of the networks do not
change, and other threads read them, too. Knows neither HTTP nor asyncio: who wants to know is told by a function that
is called in this thread.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from charrnn.completions.batch import Batch, Prime
from charrnn.completions.faults import in_one_line
from charrnn.completions.text import Text
from charrnn.errors import DivergedError

logger = logging.getLogger("charrnn")

PLACES = 128
"""Texts that are read and written at the same time: more need more memory, and are no faster for each."""
QUEUE = 256
"""Texts that wait for a place at most."""
PRIME_PIECE = 256
"""Ids of primes that are read between two characters of the others."""
CALL_COST = 32
"""Ids that one call of the network costs as much as, whatever it reads."""
TELL_SECONDS = 0.02
"""Characters that are written within this time of each other reach a client together: telling costs more than writing.
The first of a text is told at once."""

STOPPING = "the server is stopping"
FAILED = "the server has failed"

Tell = Callable[[Sequence[Text]], None]


class QueueFullError(Exception):
    """More texts would wait than may."""


class StoppedError(Exception):
    """The engine takes no more texts; the message is STOPPING or FAILED."""


@dataclass(frozen=True, eq=False)
class Job:
    """A prime with the texts that go on from it, and who writes them.

    Attributes:
        batch: writes them.
        prime: is read once for all of them.
        placed: of the engine's thread: texts that have a place and join the batch when the prime is read.
    """

    batch: Batch
    prime: Prime
    placed: list[Text] = field(default_factory=list, init=False)


class Engine:
    """Writes texts in a thread of its own, from `start` to `stop`."""

    def __init__(self, tell: Tell, *, places: int = PLACES, queue: int = QUEUE) -> None:
        """Begin with no texts.

        Args:
            tell: called in the engine's thread with texts that have new pieces, or have ended.
            places: see PLACES.
            queue: see QUEUE.
        """
        self.characters = 0
        """Written so far, in all texts (count)."""
        self.stopping = False
        """Whether it was told to stop."""
        self.refusal: str | None = None
        """Why it takes no more texts: STOPPING or FAILED; None while it does."""
        self._tell = tell
        self._places, self._queue = places, queue
        self._changed = threading.Condition()
        # Of all threads, guarded by the condition.
        # For each call of `submit`, its texts without a place, with their jobs; whose turn is next comes first.
        self._waiting: deque[deque[tuple[Job, Text]]] = deque()
        self._left: list[Text] = []
        # Of the engine's thread. Those that have texts in `placed`.
        self._reading: deque[Job] = deque()
        self._batches: list[Batch] = []
        self._told = 0.0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def waiting(self) -> int:
        """Texts without a place (count)."""
        return sum(map(len, tuple(self._waiting)))

    @property
    def running(self) -> int:
        """Texts that have a place (count)."""
        return sum(len(job.placed) for job in tuple(self._reading)) + sum(len(b.texts) for b in self._batches)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to write."""
        return not self.waiting and not self.running

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Have texts written, all of them or none.

        Raises:
            QueueFullError: too many texts wait already.
            StoppedError: no more are taken.
        """
        line = deque((job, text) for job in jobs for text in job.prime.texts)
        with self._changed:
            if self.refusal:
                raise StoppedError(self.refusal)
            # Where nothing waits, what has more texts than the queue still finds its turn.
            free = max(0, self._places - self.running)
            if self.waiting + len(line) > self._queue + free:
                raise QueueFullError
            self._waiting.append(line)
            self._changed.notify()

    def leave(self, texts: Sequence[Text]) -> None:
        """Write no more of these texts: their client has left."""
        with self._changed:
            self._left += texts
            self._changed.notify()

    def refuse(self) -> None:
        """Take no more texts; those that wait or run are still written."""
        with self._changed:
            self.refusal = self.refusal or STOPPING

    def stop(self) -> None:
        """Stop; what is not written yet fails."""
        with self._changed:
            self.refusal, self.stopping = self.refusal or STOPPING, True
            self._changed.notify()
        self._thread.join()

    @property
    def works(self) -> bool:
        """Whether the thread runs: it ends with `stop`, or by a fault of this program."""
        return self._thread.is_alive()

    def _run(self) -> None:
        failure = STOPPING
        try:
            self._loop()
        except Exception as error:
            logger.error("error     the engine has stopped: %s", in_one_line(error))
            failure = FAILED
        finally:
            with self._changed:
                self.refusal = failure
            unfinished = [text for line in self._waiting for _, text in line]
            unfinished += [text for job in self._reading for text in job.placed]
            unfinished += [text for batch in self._batches for text in batch.texts]
            self._fail(unfinished, failure)

    def _loop(self) -> None:
        while self._changes():
            self._read()
            for batch in self._batches:
                self._write(batch)
            if time.monotonic() - self._told >= TELL_SECONDS:
                self._tell_all()
            self._batches = [batch for batch in self._batches if batch.texts]

    def _changes(self) -> bool:
        """Take what came from other threads, wait while there is nothing to do; return whether to go on."""
        # The lock is not taken at every character: other threads would wait for it in vain.
        if (self._reading or self._batches) and not (self._left or self.stopping or self._has_place()):
            return True
        with self._changed:
            while not (self._waiting or self._left or self.stopping or self._reading or self._batches):
                self._changed.wait()
            left, self._left = self._left, []
            if left:
                self._let_go(left)
            while self._has_place():
                self._place_next()
            return not self.stopping

    def _has_place(self) -> bool:
        """Return whether there is a place for a text that waits."""
        return bool(self._waiting) and self.running < self._places

    def _place_next(self) -> None:
        """Give a place to the text whose turn it is. Until it has it, it waits: `idle` is never wrong."""
        line = self._waiting[0]
        job, text = line[0]
        job.placed.append(text)
        if len(job.placed) == 1:
            self._reading.append(job)
        line.popleft()
        self._waiting.popleft()
        if line:
            self._waiting.append(line)

    def _let_go(self, texts: Sequence[Text]) -> None:
        gone = set(texts)
        lines = (deque((job, text) for job, text in line if text not in gone) for line in self._waiting)
        self._waiting = deque(line for line in lines if line)
        for job in self._reading:
            job.placed[:] = [text for text in job.placed if text not in gone]
        self._reading = deque(job for job in self._reading if job.placed)
        for batch in self._batches:
            if not gone.isdisjoint(batch.texts):
                batch.remove(texts)

    def _read(self) -> None:
        """Read a piece of the primes that have a place, in turn."""
        budget = PRIME_PIECE
        while self._reading and budget > 0:
            job = self._reading[0]
            if job.prime.left:
                try:
                    budget -= max(CALL_COST, job.prime.read(budget))
                except DivergedError as error:
                    self._give_up(job, str(error))
                    continue
            if job.prime.left:
                self._reading.rotate(-1)
            else:
                self._begin(job)
                self._reading.popleft()
                job.placed.clear()

    def _begin(self, job: Job) -> None:
        """Let texts of a prime that was read join the others."""
        if job.placed[0].left == 0:  # only the prime was wanted
            for text in job.placed:
                text.write("")
            self._tell(tuple(job.placed))
            return
        job.batch.append(job.prime, job.placed)
        if job.batch not in self._batches:
            self._batches.append(job.batch)

    def _give_up(self, job: Job, failure: str) -> None:
        """End the texts of a job whose prime cannot be read."""
        with self._changed:
            self._let_go(job.prime.texts)
        self._fail(job.prime.texts, failure)

    def _write(self, batch: Batch) -> None:
        """Write a character of every text of a batch."""
        self.characters += len(batch.texts)
        joined = batch.joined
        try:
            ended = batch.step()
        except DivergedError as error:
            texts = batch.texts
            batch.remove(texts)
            self._fail(texts, str(error))
            return
        if joined or ended:
            batch.settle()
            self._tell([*ended, *(text for text in joined if not text.ended)])

    def _tell_all(self) -> None:
        self._told = time.monotonic()
        for batch in self._batches:
            batch.settle()
            if batch.texts:
                self._tell(batch.texts)

    def _fail(self, texts: Sequence[Text], failure: str) -> None:
        for text in texts:
            text.fail(failure)
        if texts:
            self._tell(texts)
