"""Statistics of what may be documents: lines, entries between separators, records. Knows no files."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Parts:
    """Parts that a text consists of, as far as it was read; those that are empty do not count.

    Attributes:
        count: how many.
        characters: of all of them.
        median: length of the middle one (characters).
        ninetieth: nine in ten are at most this long (characters).
        longest: (characters).
        repeated: share that has occurred before (0 to 1).
        ordered: share of neighbours that differ which stand in the order of the alphabet (0 to 1; about 0.5 where there
            is no order).
    """

    count: int
    characters: int
    median: int
    ninetieth: int
    longest: int
    repeated: float
    ordered: float


def parts_of(texts: Sequence[str]) -> Parts | None:
    """Return the statistics of `texts`; None if all are empty."""
    texts = [text for text in texts if text]
    if not texts:
        return None
    lengths = sorted(map(len, texts))
    steps = [(one, other) for one, other in itertools.pairwise(texts) if one != other]
    return Parts(
        count=len(texts),
        characters=sum(lengths),
        median=int(statistics.median_low(lengths)),
        ninetieth=lengths[int(0.9 * (len(lengths) - 1))],
        longest=lengths[-1],
        repeated=(len(texts) - len(set(texts))) / len(texts),
        ordered=sum(one < other for one, other in steps) / len(steps) if steps else 0.5,
    )
