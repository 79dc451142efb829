"""Writes the ids of a text as they come, and what tells its documents and files apart. Knows no parameters.

Hashing and the disk run beside the caller's work; no more than two pieces are held at a time.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from charrnn.data.documents import Piece
from charrnn.data.hashing import hash_code_points
from charrnn.data.text_file import TextFile
from charrnn.data.vocabulary import Ids, Vocabulary


class IdsWriter:
    """Writes `ids.bin`, `file_ends.bin` and `file_hashes.bin`, and of documents `ends.bin` and `hashes.bin`.

    Attributes:
        length: ids written so far, stop symbols included.
        digest: hex SHA-256 of the vocabulary's characters, the ids, and the ends of files where there are several;
            there once it has finished.
    """

    def __init__(self, folder: Path, vocabulary: Vocabulary, files: int, has_documents: bool) -> None:
        """Write into `folder`; raises OSError, as all methods do."""
        self._folder, self._vocabulary, self._has_documents = folder, vocabulary, has_documents
        self._sha256 = hashlib.sha256(json.dumps(list(vocabulary.characters)).encode())
        self.length, self.digest = 0, ""
        self._file_ends = np.zeros(files, dtype=np.int64)
        self._open = ExitStack()
        self._ids = self._open.enter_context(open(folder / "ids.bin", "wb"))
        if has_documents:
            self._ends = self._open.enter_context(open(folder / "ends.bin", "wb"))
            self._hashes = self._open.enter_context(open(folder / "hashes.bin", "wb"))
        self._worker = self._open.enter_context(ThreadPoolExecutor(1))
        self._hashed: Future[None] = self._worker.submit(lambda: None)
        if has_documents:
            self._write_ids(np.array([vocabulary.padding_id], dtype=vocabulary.dtype), None)

    def __enter__(self) -> "IdsWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def write(self, piece: Piece) -> None:
        """Write the next piece of the text, all of whose characters have an id."""
        ids = self._vocabulary.encode_points(piece.points)
        ids[piece.ends] = self._vocabulary.padding_id
        if len(piece.ends):
            self._ends.write(piece.ends + (self.length + 1))
        self._write_ids(ids, piece)
        self._file_ends[piece.file] = self.length

    def finish(self, files: Sequence[TextFile]) -> None:
        """Write what is known at the end, and have all of it on the disk.

        Raises:
            CorpusError: one of `files`, which the text is from, has changed since it was fetched.
        """
        self._hashed.result()
        self._ids.flush()
        synced = self._worker.submit(os.fsync, self._ids.fileno())  # while the text is read once more
        for file in files:
            file.check_unchanged()
        synced.result()
        # A file that nothing was taken from ends where the one before it does; the first, where the text begins.
        ends = np.maximum.accumulate(np.maximum(self._file_ends, int(self._has_documents)))
        ends.tofile(self._folder / "file_ends.bin")
        first_bytes = b"".join(bytes.fromhex(file.sha256)[:8] for file in files)
        (self._folder / "file_hashes.bin").write_bytes(first_bytes)
        if len(files) > 1:
            self._sha256.update(ends)
        self.digest = self._sha256.hexdigest()

    def _write_ids(self, ids: Ids, piece: Piece | None) -> None:
        self._ids.write(ids)
        self._hashed.result()  # the piece before
        self._hashed = self._worker.submit(self._hash, ids, piece)
        self.length += len(ids)

    def _hash(self, ids: Ids, piece: Piece | None) -> None:
        self._sha256.update(ids)
        if piece is not None and len(piece.ends):
            self._hashes.write(hash_code_points(piece.points, piece.ends))
