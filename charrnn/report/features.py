"""What a person would look for in a text, as one value a character: what the values of units are compared with.

Knows text alone, neither models nor units. A text is a stream or one document: nothing lasts beyond its end.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]

_FARTHEST = 100
_DEEPEST = 8
_SPEAKER = re.compile(r"^(?:[A-Z][A-Z .,'\u2019-]{1,40}[:.]?|[A-Z][\w .'\u2019-]{0,40}:)$", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|(?:(?<=\s)|^)(?://|#)[^\n]*", re.MULTILINE | re.DOTALL)
_OPENING, _CLOSING = "([{", ")]}"
_QUOTES = {"“": "”", "«": "»", "„": "“", '"': '"'}


@dataclass(frozen=True)
class Feature:
    """A property of the place in a text.

    Attributes:
        name: what a person calls it.
        values: text -> (len(text),) float32, of each character the value once it is read. Only lines that name a
            speaker, and comments, are known by what follows: their first characters count as well.
    """

    name: str
    values: Callable[[str], Values]


def _per_character(walk: Callable[[str], Iterator[float]]) -> Callable[[str], Values]:
    return lambda text: np.fromiter(walk(text), dtype=np.float32, count=len(text))


def _matched(pattern: re.Pattern[str]) -> Callable[[str], Values]:
    def values(text: str) -> Values:
        found = np.zeros(len(text), dtype=np.float32)
        for match in pattern.finditer(text):
            found[match.start() : match.end()] = 1
        return found

    return values


def _quotes(text: str) -> Iterator[float]:
    """A quotation that was not closed ends with its paragraph."""
    wanted, before = "", ""
    for character in text:
        if wanted:
            wanted = "" if character == wanted or character == before == "\n" else wanted
        else:
            wanted = _QUOTES.get(character, "")
        before = character
        yield float(bool(wanted))


def _brackets(text: str) -> Iterator[float]:
    """A bracket that was not closed ends with its paragraph."""
    depth, before = 0, ""
    for character in text:
        if character in _OPENING:
            depth = min(depth + 1, _DEEPEST)
        elif character in _CLOSING:
            depth = max(depth - 1, 0)
        elif character == before == "\n":
            depth = 0
        before = character
        yield depth


def _line_position(text: str) -> Iterator[float]:
    place = 0
    for character in text:
        place = 0 if character == "\n" else min(place + 1, _FARTHEST)
        yield place


def _word_position(text: str) -> Iterator[float]:
    place = 0
    for character in text:
        place = min(place + 1, _FARTHEST) if character.isalnum() else 0
        yield place


def _indentation(text: str) -> Iterator[float]:
    """Of the line so far: blanks before its first other character, a tabulation counted as four."""
    blanks, begun = 0, False
    for character in text:
        if character == "\n":
            blanks, begun = 0, False
        elif character in " \t" and not begun:
            blanks = min(blanks + (4 if character == "\t" else 1), _FARTHEST)
        else:
            begun = True
        yield blanks


FEATURES = (
    Feature("inside quotation marks", _per_character(_quotes)),
    Feature("depth of brackets", _per_character(_brackets)),
    Feature("position in the line", _per_character(_line_position)),
    Feature("position in the word", _per_character(_word_position)),
    Feature("capital letter", _per_character(lambda text: (float(c.isupper()) for c in text))),
    Feature("line that names a speaker", _matched(_SPEAKER)),
    Feature("inside a comment", _matched(_COMMENT)),
    Feature("indentation", _per_character(_indentation)),
)
"""In the order in which they are shown."""
