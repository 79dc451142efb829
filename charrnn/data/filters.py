"""Which documents are used, and how much of the text: by length, without repetitions, from the start.

What is left out is counted by its reason. Documents are judged as they are read: which characters are too rare is
known only when those that are used have been counted. Knows nothing of how documents are read.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from charrnn.config.schema import DataParams
from charrnn.data.documents import Mask, Piece
from charrnn.data.hashing import hash_code_points
from charrnn.data.positions import Positions
from charrnn.errors import CorpusError

RANGE = 2**22
"""Hashes that are compared at once, more or less: each takes some 30 bytes while it is."""


def limited(pieces: Iterator[Piece], most: int | None) -> Iterator[Piece]:
    """Yield the first `most` characters of a stream; None for all."""
    for piece in pieces:
        if most is None:
            yield piece
            continue
        if most > 0:
            yield replace(piece, points=piece.points[:most])
        most -= piece.characters
        if most <= 0:
            return


def first_of_each(pieces: Iterator[Piece], params: DataParams) -> Mask:
    """Return which documents have not occurred before, of those that have a length that is wanted: (documents,).

    Takes 9 bytes a document, and what RANGE documents take.
    """
    hashes = array("Q")
    for piece in pieces:
        wanted = piece.documents(_of_wanted_length(piece.lengths, params))
        hashes.frombytes(hash_code_points(wanted.points, wanted.ends).tobytes())
    return first_occurrences(np.frombuffer(hashes, dtype=np.uint64) if hashes else np.zeros(0, dtype=np.uint64))


def first_occurrences(hashes: npt.NDArray[np.uint64], at_once: int = RANGE) -> Mask:
    """Return which of `hashes`, (count,), are the first of their value: (count,).

    Args:
        hashes: equal ones are the same.
        at_once: how many are sorted at once, more or less: range by range of their values.
    """
    first = np.zeros(len(hashes), dtype=np.bool_)
    ranges = -(-len(hashes) // at_once) or 1
    for low, high in pairwise(2**64 * number // ranges for number in range(ranges + 1)):
        places = np.flatnonzero((hashes >= np.uint64(low)) & (hashes <= np.uint64(high - 1)))
        first[places[np.unique(hashes[places], return_index=True)[1]]] = True
    return first


class Selection:
    """Takes the documents that are used: of the wanted lengths, and together at most `max_characters` long.

    Attributes:
        documents: how many were taken.
        left_out: how many were not, by reason, up to the first document that exceeds `max_characters`.
        exceeded: whether there was one; nothing after it is taken.
    """

    def __init__(self, params: DataParams, first: Mask | None) -> None:
        """Take what `params` and `first` say, which is what `first_of_each` returned; None where all may repeat."""
        self._params, self._first = params, first
        self.documents = 0
        self.left_out: Counter[str] = Counter()
        self.exceeded = False

    def of(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Yield `pieces`, the whole text, with the documents that are used.

        Where `min_length` leaves out empty documents, they stay all the same, and are left out when they are written:
        to take them out twice would take half of all the time.
        """
        position, left = 0, self._params.max_characters
        for piece in pieces:
            lengths = piece.lengths
            kept = sized = _of_wanted_length(lengths, self._params)
            if self._first is not None:
                kept = sized.copy()
                kept[sized] = self._first[position : position + np.count_nonzero(sized)]
                position += int(np.count_nonzero(sized))
            if left is not None:
                used = np.cumsum(np.where(kept, lengths, 0))
                fitting = int(np.searchsorted(used, left, side="right"))
                self.exceeded = fitting < len(kept)
                lengths, kept, sized = lengths[:fitting], kept[:fitting], sized[:fitting]
                left -= int(used[fitting - 1]) if fitting else 0
            documents = int(np.count_nonzero(kept))
            if documents < len(kept):
                self._count_left_out(lengths[~sized], int(np.count_nonzero(sized)) - documents)
            if documents:
                self.documents += documents
                yield piece.documents(kept | (lengths == 0) if self._params.min_length else kept)
            if self.exceeded:
                return

    def leave_out(self, emptied: int) -> None:
        """Count `emptied` of the documents that were taken as left out: no character of them has an id."""
        self.documents -= emptied
        if emptied:
            self.left_out["empty"] += emptied

    def _count_left_out(self, lengths: Positions, repeated: int) -> None:
        """Count documents of `lengths`, none of which is wanted, and how many were `repeated`."""
        empty = int(np.count_nonzero(lengths == 0)) if self._params.min_length else 0
        shorter = int(np.count_nonzero(lengths < self._params.min_length)) - empty
        found = {"empty": empty, "shorter": shorter, "longer": len(lengths) - shorter - empty, "repeated": repeated}
        self.left_out.update({reason: count for reason, count in found.items() if count})

    def check(self, source: str) -> None:
        """Raise CorpusError where fewer than two documents were taken; says why the others were not."""
        if self.documents >= 2:
            return
        reasons = [text for text in (described(self.left_out, self._params),) if text]
        if self.exceeded:
            reasons.append(
                f"with the next there are more characters than data.max_characters {self._params.max_characters}"
            )
        why = f": {'; '.join(reasons)}" if reasons else ""
        left = "only 1 document is" if self.documents else "no document is"
        raise CorpusError(
            f"{source}: {left} left of {self.documents + sum(self.left_out.values()):,} "
            f"(data.documents = {self._params.documents!r}), at least 2 are needed{why}"
        )


def _of_wanted_length(lengths: Positions, params: DataParams) -> Mask:
    wanted = lengths >= params.min_length
    return wanted if params.max_length is None else wanted & (lengths <= params.max_length)


def described(left_out: Mapping[str, int], params: DataParams) -> str:
    """Return `3 empty, 5 longer than data.max_length 5`, for a message; '' where nothing is left out."""
    limits = {
        "empty": "empty",
        "shorter": f"shorter than data.min_length {params.min_length}",
        "longer": f"longer than data.max_length {params.max_length}",
        "repeated": "repeated",
    }
    return ", ".join(f"{left_out[reason]:,} {text}" for reason, text in limits.items() if left_out.get(reason))
