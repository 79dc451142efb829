"""The profile of a text: what is counted of it, so that a later one can be compared with it without it.

Knows nothing of models, nor of what two profiles should have in common (`charrnn.evaluation.drift`).
"""

import re
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors import numpy as tensors

from charrnn.data.hashing import BASE, mix
from charrnn.data.vocabulary import CODE_POINTS, Ids, Vocabulary, code_points
from charrnn.errors import CorpusError

ORDER = 5
BUCKETS = 2**14
"""Buckets that n-grams are counted in, by their hashes: 128 KB, however long the text is."""
_PIECE = 2**17  # ids that are counted at once
# How a page of HTML begins, after what may stand before it. No text that people read does.
_PAGE = re.compile(
    r"\ufeff?\s*(<\?[^>]*>\s*|<!--(?:(?!-->).)*-->\s*)*<(!doctype\s+html|html|head|body|title|meta)[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_BEGINNING = 2**16

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Profile:
    """What is counted of a text.

    Attributes:
        characters: (distinct,) int64, the code points of the characters in it, sorted.
        counts: (distinct,) int64, how often each occurs.
        grams: (BUCKETS,) int64, how many of its 5-grams (stop symbols included) have each hash.
        halves: (2,) float64, `distance` of the characters, and of the 5-grams, of its first and its second half.
        repeated: share of its characters in blocks or documents that were in it before (0 to 1).
        page: whether it begins as a page of HTML does.
    """

    characters: Counts
    counts: Counts
    grams: Counts
    halves: npt.NDArray[np.float64]
    repeated: float
    page: bool

    @property
    def size(self) -> int:
        """Characters in all."""
        return int(self.counts.sum())

    def to_bytes(self) -> bytes:
        """Return a safetensors file."""
        return tensors.save({f"profile.{field.name}": np.asarray(getattr(self, field.name)) for field in fields(self)})

    @classmethod
    def from_bytes(cls, content: bytes) -> "Profile":
        """Read what `to_bytes` wrote. Raises CorpusError."""
        try:
            found = {key.removeprefix("profile."): array for key, array in tensors.load(content).items()}
            repeated, page = (found.pop(key).item() for key in ("repeated", "page"))
            profile = cls(**found, repeated=float(repeated), page=bool(page))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CorpusError(f"profile: is damaged ({type(error).__name__})") from None
        if not profile._is_sound():
            raise CorpusError("profile: is damaged (of other shapes, types or values)")
        return profile

    def _is_sound(self) -> bool:
        counts = (self.characters, self.counts, self.grams)
        return (
            all(one.dtype == np.int64 and one.ndim == 1 and bool((one >= 0).all()) for one in counts)
            and self.halves.dtype == np.float64
            and (self.counts.shape, self.grams.shape, self.halves.shape) == (self.characters.shape, (BUCKETS,), (2,))
            and bool((np.diff(self.characters, append=CODE_POINTS) > 0).all())
            and bool(np.isfinite(self.halves).all())
        )


def profile(ids: Ids, vocabulary: Vocabulary, repeated: float) -> Profile:
    """Return the profile of a text.

    Args:
        ids: (length,) of the text, stop symbols included.
        vocabulary: what they stand for; the profile depends on the characters alone.
        repeated: share of its characters that were in it before; see `Profile`.
    """
    middle = len(ids) // 2
    first, second = (_count(part, vocabulary) for part in (ids[:middle], ids[middle:]))
    counts, grams = (one + other for one, other in zip(first, second, strict=True))
    halves = np.array([distance(one, other) for one, other in zip(first, second, strict=True)])
    page = _PAGE.match(vocabulary.decode(ids[:_BEGINNING])) is not None
    characters = np.flatnonzero(counts)
    return Profile(characters, counts[characters], grams, halves, repeated, page)


def distance(first: Counts, second: Counts) -> float:
    """Return the Jensen-Shannon distance of two distributions: the square root of their divergence in base 2.

    It is 0 where they are the same, 1 where they share nothing, and a metric (Lin 1991, IEEE Trans. Inf. Theory 37(1);
    Endres & Schindelin 2003, IEEE Trans. Inf. Theory 49(7)). Of two samples it is above 0 by chance, too, the more so
    the smaller they are.

    Args:
        first: (outcomes,) counts of each outcome.
        second: (outcomes,) of the same outcomes. Where one has none at all, the distance is 1, of two of these 0.
    """
    if not first.any() or not second.any():
        return float(first.any() != second.any())
    one, other = (counts / counts.sum() for counts in (first, second))
    middle = (one + other) / 2

    def divergence(part: npt.NDArray[np.float64]) -> float:
        occurs = part > 0
        return float((part[occurs] * np.log2(part[occurs] / middle[occurs])).sum())

    return float(np.sqrt(min(1.0, max(0.0, (divergence(one) + divergence(other)) / 2))))


def _count(ids: Ids, vocabulary: Vocabulary) -> tuple[Counts, Counts]:
    """Return how often each code point occurs, (CODE_POINTS,), and how many n-grams each bucket has, (BUCKETS,)."""
    counts = np.zeros(vocabulary.stop_id + 1, dtype=np.int64)
    grams = np.zeros(BUCKETS, dtype=np.int64)
    values = np.append(code_points(vocabulary.characters).astype(np.uint64) + np.uint64(1), np.uint64(0))
    for start in range(0, len(ids), _PIECE):
        piece = ids[start : start + _PIECE + ORDER - 1]
        counts += np.bincount(piece[:_PIECE], minlength=len(counts))
        if len(piece) >= ORDER:
            points = values[piece]
            hashes = np.zeros(len(piece) - ORDER + 1, dtype=np.uint64)
            for place in range(ORDER):  # a polynomial of the n-gram's characters
                hashes = hashes * np.uint64(BASE) + points[place : place + len(hashes)]
            grams += np.bincount((mix(hashes) % np.uint64(BUCKETS)).astype(np.int64), minlength=BUCKETS)
    by_point = np.zeros(CODE_POINTS, dtype=np.int64)
    by_point[code_points(vocabulary.characters)] = counts[:-1]
    return by_point, grams
