"""How far beginning, middle and end of a text differ: a change of language shows in its letters. Knows no files."""

import itertools
import math
import statistics
import unicodedata
from collections import Counter
from dataclasses import dataclass

SMALLEST, LARGEST = 1000, 60_000
"""Characters of a part that is compared."""


_Trigrams = Counter[tuple[str, str, str]]


@dataclass(frozen=True)
class Mixture:
    """Differences between beginning, middle and end of a text.

    Attributes:
        similarity: the smallest of two of them, in their trigrams, against that of halves of one (0 to 1).
        unseen: the largest share of characters of one that the two others lack (0 to 1).
        scripts: the script of most letters of each, such as LATIN; '' without letters.
    """

    similarity: float
    unseen: float
    scripts: tuple[str, str, str]


def mixture_of(text: str) -> Mixture | None:
    """Compare beginning, middle and end of `text`, a twentieth each; None where it is too short to tell."""
    width = min(max(len(text) // 20, SMALLEST), LARGEST)
    if len(text) < 3 * width:
        return None
    middle = (len(text) - width) // 2
    ends = text[:width], text[middle : middle + width], text[-width:]
    # Two samples of the same text are the less alike the shorter they are. So what counts is how alike halves of
    # different parts are, against those of one part.
    halves = [(_trigrams(part[: width // 2]), _trigrams(part[width // 2 :])) for part in ends]
    unseen = []
    for index, part in enumerate(ends):
        known = set().union(*(other for place, other in enumerate(ends) if place != index))
        unseen.append(sum(character not in known for character in part) / width)
    return Mixture(
        similarity=min(_similarity(one, other) for one, other in itertools.combinations(halves, 2)),
        unseen=max(unseen),
        scripts=(_script(ends[0]), _script(ends[1]), _script(ends[2])),
    )


def _trigrams(text: str) -> _Trigrams:
    text = text.lower()
    return Counter(zip(text, text[1:], text[2:], strict=False))


def _similarity(one: tuple[_Trigrams, _Trigrams], other: tuple[_Trigrams, _Trigrams]) -> float:
    """Return how alike two parts are, each given as its halves: 1 if they are as alike as these."""
    across = statistics.fmean(_cosine(half, another) for half in one for another in other)
    within = math.sqrt(_cosine(*one) * _cosine(*other))
    # A part whose halves have nothing in common is like no other.
    return min(across / within, 1.0) if across and within else 0.0


def _cosine(one: _Trigrams, other: _Trigrams) -> float:
    dot = sum(count * other[key] for key, count in one.items() if key in other)
    return dot / (math.hypot(*one.values()) * math.hypot(*other.values()))


def _script(text: str) -> str:
    scripts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            scripts[unicodedata.name(character, "").partition(" ")[0]] += count
    return scripts.most_common(1)[0][0] if scripts else ""
