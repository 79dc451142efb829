"""How far beginning, middle and end of a text differ: a change of language shows in its letters. Knows no files."""

import itertools
import math
import unicodedata
from collections import Counter
from dataclasses import dataclass

SMALLEST, LARGEST = 1000, 60_000
"""Characters of a part that is compared."""


@dataclass(frozen=True)
class Mixture:
    """Differences between beginning, middle and end of a text.

    Attributes:
        similarity: the smallest cosine between the trigram counts of two of them (0 to 1).
        unseen: the largest share of characters of one that the two others lack (0 to 1).
        scripts: the script of most letters of each, such as LATIN; '' without letters.
    """

    similarity: float
    unseen: float
    scripts: tuple[str, str, str]


def mixture_of(text: str) -> Mixture | None:
    """Compare beginning, middle and end of `text`, a tenth each; None where it is too short to tell."""
    width = min(max(len(text) // 10, SMALLEST), LARGEST)
    if len(text) < 3 * width:
        return None
    middle = (len(text) - width) // 2
    ends = text[:width], text[middle : middle + width], text[-width:]
    trigrams = [Counter(zip(part, part[1:], part[2:], strict=False)) for part in map(str.lower, ends)]
    unseen = []
    for index, part in enumerate(ends):
        known = set().union(*(other for place, other in enumerate(ends) if place != index))
        unseen.append(sum(character not in known for character in part) / width)
    return Mixture(
        similarity=min(_cosine(one, other) for one, other in itertools.combinations(trigrams, 2)),
        unseen=max(unseen),
        scripts=(_script(ends[0]), _script(ends[1]), _script(ends[2])),
    )


def _cosine(one: Counter[tuple[str, str, str]], other: Counter[tuple[str, str, str]]) -> float:
    dot = sum(count * other[key] for key, count in one.items() if key in other)
    norms = math.hypot(*one.values()) * math.hypot(*other.values())
    return min(dot / norms, 1.0)


def _script(text: str) -> str:
    scripts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            scripts[unicodedata.name(character, "").partition(" ")[0]] += count
    return scripts.most_common(1)[0][0] if scripts else ""
