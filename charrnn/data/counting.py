"""Counts the characters of a text and decides which of them have an id. Knows nothing of where the text comes from."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from charrnn.config.schema import DataParams
from charrnn.data.beside import beside
from charrnn.data.documents import FILLER, Piece
from charrnn.data.vocabulary import CODE_POINTS, Vocabulary, code_points
from charrnn.errors import CorpusError, VocabularyError

_ALONE = 2**15 - 1
"""Most bytes that PyTorch looks at in one thread. Several threads gain nothing here, and on a busy machine they wait a
hundred times as long for each other. Of characters that are no bytes the counts alone are too many for one thread."""


@dataclass(frozen=True, eq=False)
class CharacterCounts:
    """How often each character occurs.

    Attributes:
        counts: (0x110000,) int64, for each code point.
        first_seen: code point -> position (characters) of its first occurrence.
        characters: in all.
    """

    counts: npt.NDArray[np.int64]
    first_seen: dict[int, int]
    characters: int

    def vocabulary(self, source: str, params: DataParams, known: str) -> Vocabulary:
        """Return the characters that have an id: those that are not too rare, and `known`.

        Raises:
            CorpusError: the text is empty or has fewer than two of them.
            VocabularyError: there are more than `data.max_vocabulary`.
        """
        if self.characters == 0:
            raise CorpusError(f"{source}: the text is empty")
        if (halves := np.flatnonzero(self.counts[0xD800:0xE000])).size:
            raise CorpusError(
                f"{source}: has U+{0xD800 + halves[0]:04X}, half a surrogate pair, which is no character; "
                "take it out of the text, such as out of its JSON escapes"
            )
        wanted = self.counts >= params.min_count
        wanted[code_points(known)] = True
        kept = np.flatnonzero(wanted)
        occurring = np.count_nonzero(self.counts[kept])
        if occurring < 2:
            raise CorpusError(
                f"{source}: the text has {occurring} distinct characters that occur data.min_count "
                f"{params.min_count} times or more; at least 2 are needed to learn from"
            )
        if len(kept) > params.max_vocabulary:
            raise too_many(len(kept), params, known)
        points = [int(point) for point in kept]
        return Vocabulary(
            characters="".join(map(chr, points)),
            counts=tuple(int(self.counts[point]) for point in points),
            first_seen=tuple(self.first_seen.get(point, -1) for point in points),
        )


def count_characters(pieces: Iterator[Piece]) -> CharacterCounts:
    """Return how often each character occurs in `pieces`; what follows each document is none."""
    counts = np.zeros(CODE_POINTS, dtype=np.int64)
    first_seen: dict[int, int] = {}
    characters = 0
    for piece, found in beside(_bincount, pieces):
        found[ord(FILLER) : ord(FILLER) + 1] -= len(piece.ends)
        for point in np.flatnonzero((found > 0) & (counts[: len(found)] == 0)):
            first_seen[int(point)] = characters + _first(piece, point)
        counts[: len(found)] += found
        characters += piece.characters
    return CharacterCounts(counts, first_seen, characters)


def _first(piece: Piece, point: np.intp) -> int:
    """Return the position (characters) of the first `point` in `piece` that is no filler."""
    found = piece.points == point
    if point == ord(FILLER):
        found[piece.ends] = False
    place = int(found.argmax())
    return place - int(np.searchsorted(piece.ends, place))


def _bincount(piece: Piece) -> npt.NDArray[np.int64]:
    """Count each code point; PyTorch does it twice as fast as NumPy, which makes 64-bit integers of all first."""
    points = piece.points
    if points.dtype != np.uint8:
        found: npt.NDArray[np.int64] = torch.bincount(torch.from_numpy(points.view(np.int32))).numpy()
        return found
    counts = np.zeros(256, dtype=np.int64)
    for part in torch.from_numpy(points).split(_ALONE):
        found = torch.bincount(part).numpy()
        counts[: len(found)] += found
    return counts


def too_many(found: int, params: DataParams, known: str) -> VocabularyError:
    """Return the error for `found` characters, more than are allowed."""
    having = "the text and the model it starts from have" if known else "the text has"
    return VocabularyError(
        f"data.max_vocabulary: {having} {found} distinct characters, at most {params.max_vocabulary} are allowed; "
        f"raise it, or raise data.min_count (now {params.min_count}) to drop rare ones"
    )
