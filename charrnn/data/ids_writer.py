"""Writes the ids of a text as they come, and what tells its documents and files apart. Knows no parameters.

Hashing, and the waiting for the disk, run beside the caller's work; no more than two pieces are held at a time.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from charrnn.data.documents import Mask, Piece
from charrnn.data.hashing import hash_code_points
from charrnn.data.vocabulary import Ids, Vocabulary
from charrnn.data.watch import Watch

_SYNCED = 2**25
"""How many ids are written (bytes) before the disk is told to begin with them."""


class IdsWriter:
    """Writes the files of an encoding; `open_writer` makes one. Its methods raise OSError.

    Attributes:
        length: ids written so far, stop symbols included.
        documents: how many were written.
    """

    def __init__(
        self,
        folder: Path,
        vocabulary: Vocabulary,
        files: int,
        worker: Executor,
        syncer: Executor,
        opened: dict[str, IO[bytes]],
    ):
        self._folder, self._vocabulary, self._opened = folder, vocabulary, opened
        self._worker, self._syncer = worker, syncer
        self._sha256 = hashlib.sha256(json.dumps(list(vocabulary.characters)).encode())
        self._hashed: Future[None] = worker.submit(lambda: None)
        self._synced: Future[None] = syncer.submit(lambda: None)
        self._unsynced = 0
        self.length = self.documents = 0
        if "ends" in opened:
            self._append(np.array([vocabulary.stop_id], dtype=vocabulary.dtype))
        # A file that nothing is taken from ends where the one before it does; the first, where the text begins.
        self._file_ends = np.full(files, self.length, dtype=np.int64)
        self._file_sha256s = [hashlib.sha256() for _ in range(files)]

    def write(self, piece: Piece, with_empty: bool) -> None:
        """Write the next piece of the text, all of whose characters have an id; empty documents only `with_empty`."""
        if not len(piece.ends):
            self._append(self._vocabulary.encode_points(piece.points), piece)
        else:
            lengths = piece.lengths
            kept = lengths >= (0 if with_empty else 1)
            ids = self._vocabulary.encode_points(piece.points, piece.ends[~kept])
            past = np.cumsum(lengths[kept] + 1)
            ids[past - 1] = self._vocabulary.stop_id
            self._opened["ends"].write((past + self.length).data)
            self.documents += len(past)
            self._append(ids, piece, kept)
        self._file_ends[piece.file] = self.length

    def finish(self, files: Sequence[Watch]) -> str:
        """Write what is known at the end.

        Returns:
            The hex SHA-256 of the vocabulary's characters and the ids.

        Raises:
            CorpusError: one of `files`, which the text is from, was not what had been fetched when it was read.
        """
        self._hashed.result()
        self._synced.result()
        for file in files:
            file.check_unchanged()
        for opened in self._opened.values():
            opened.flush()
        ends = np.maximum.accumulate(self._file_ends)
        (self._folder / "file_ends.bin").write_bytes(ends.data)
        digests = b"".join(sha256.digest()[:8] for sha256 in self._file_sha256s)
        (self._folder / "file_hashes.bin").write_bytes(digests)
        return self._sha256.hexdigest()

    def _append(self, ids: Ids, piece: Piece | None = None, kept: Mask | None = None) -> None:
        self._opened["ids"].write(ids.data)
        self.length += len(ids)
        self._unsynced += ids.nbytes
        if self._unsynced >= _SYNCED and self._synced.done():
            self._sync()
        self._hashed.result()  # the piece before
        self._hashed = self._worker.submit(self._hash, ids, piece, kept)

    def _sync(self) -> None:
        self._synced.result()
        self._synced, self._unsynced = self._syncer.submit(self._fsync), 0

    def _fsync(self) -> None:
        for opened in self._opened.values():
            os.fsync(opened.fileno())

    def _hash(self, ids: Ids, piece: Piece | None, kept: Mask | None) -> None:
        self._sha256.update(ids.data)
        if piece is None:
            return
        learnt: Ids = ids
        if kept is not None:
            learnt = hash_code_points(piece.points, piece.ends)[kept]
            self._opened["hashes"].write(learnt.data)
        if len(self._file_sha256s) > 1 and not piece.is_join:
            self._file_sha256s[piece.file].update(learnt.data)


@contextmanager
def open_writer(folder: Path, vocabulary: Vocabulary, files: int, has_documents: bool) -> Iterator[IdsWriter]:
    """Yield what writes the ids of a text into `folder`.

    It writes `ids.bin`, `file_ends.bin` and `file_hashes.bin`, and of documents also `ends.bin` and `hashes.bin`.

    Args:
        folder: is there.
        vocabulary: has all characters of the text.
        files: how many the text is from.
        has_documents: whether it is documents; then the first id is the stop symbol.
    """
    names = ["ids", "ends", "hashes"] if has_documents else ["ids"]
    with ExitStack() as stack:
        opened: dict[str, IO[bytes]] = {name: stack.enter_context(open(folder / f"{name}.bin", "wb")) for name in names}
        worker, syncer = (stack.enter_context(ThreadPoolExecutor(1)) for _ in range(2))
        yield IdsWriter(folder, vocabulary, files, worker, syncer, opened)
