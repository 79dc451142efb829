"""Checks that a file holds the bytes that were fetched as it is read, rather than by reading it once more."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from charrnn.data.text_file import TextFile


class Watch:
    """Hashes the bytes of a file in a thread while they are decoded; `watched` makes one.

    Attributes:
        file: what is to be read.
    """

    def __init__(self, file: TextFile, worker: Executor) -> None:
        self.file = replace(file, on_read=self._hash)
        self._fetched, self._worker = file, worker
        self._sha256 = hashlib.sha256()
        self._hashed: Future[None] = worker.submit(lambda: None)

    def check_unchanged(self) -> None:
        """Check that `file` held the bytes that were fetched when it was last read.

        What was not read to its end, or not as text, is read here. Raises as `TextFile.check_unchanged`.
        """
        self._hashed.result()
        if self._sha256.hexdigest() != self._fetched.sha256:
            self._fetched.check_unchanged()

    def _hash(self, offset: int, data: bytes) -> None:
        self._hashed.result()  # one piece is held, no more
        if offset == 0:
            self._sha256 = hashlib.sha256()
        self._hashed = self._worker.submit(self._sha256.update, data)


@contextmanager
def watched(files: Sequence[TextFile]) -> Iterator[list[Watch]]:
    """Yield a watch on each of `files`."""
    with ThreadPoolExecutor(1) as worker:
        yield [Watch(file, worker) for file in files]
