"""Makes one character of what looks like one: line ends, Unicode normal form, case.

A training text in pieces and a text that a person types go through the same functions.
"""

import sys
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from charrnn.config.schema import DataParams

_Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
BYTE_ORDER_MARK = "\ufeff"
# Python sorts the marks upon a letter by insertion: more than these in a row are sorted before, in linear time.
_MANY_MARKS = 64
_LAST_MARK = 0x20000  # the planes behind it are ideographs, tags and private use


def normalise(text: str, params: DataParams) -> str:
    """Return `text`, which is whole, as the training text was read: without a mark, with its line ends and form."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    if params.newline == "unix":
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return normal_form(text, params)


def normal_forms(pieces: Iterator[str], params: DataParams) -> Iterator[str]:
    """Yield `pieces` in normal form and case; what is held back at the end of one comes with the next.

    Each piece ends where no character can join with what follows.
    """
    held: list[str] = []
    for piece in pieces:
        cut = _safe_cut(piece) if params.unicode_form != "none" or params.lowercase else len(piece)
        if cut:
            yield normal_form("".join([*held, piece[:cut]]), params)
            held.clear()
        if cut < len(piece):  # one text alone is joined without being copied
            held.append(piece[cut:])
    yield normal_form("".join(held), params)


def normal_form(text: str, params: DataParams) -> str:
    """Return `text`, which is whole, in the case and the Unicode normal form of `params`."""
    # Lower-casing first: it can leave a form that is no longer normal, never the other way round.
    if params.lowercase:
        text = text.lower()
    if params.unicode_form != "none" and not text.isascii():
        text = unicodedata.normalize(params.unicode_form, _with_marks_in_order(text, params.unicode_form))
    return text


def _with_marks_in_order(text: str, form: _Form) -> str:
    """Return a text that `form` makes the same of as of `text`, in which no long run of marks is left to be sorted.

    The canonical order of marks is that of their combining classes, those of one class as they stand (Unicode Standard,
    section 3.11): sorting a run of any length changes nothing that is not changed anyway.
    """
    decompose: _Form = "NFKD" if form in ("NFKC", "NFKD") else "NFD"
    for step in (_MANY_MARKS, 4):  # of a long run, every one of these characters is a mark; most texts have none
        if not len(_runs(_are_marks(text[::step], decompose), _MANY_MARKS // step)):
            return text
    parts: list[str] = []
    done = 0
    for start, end in _runs(_are_marks(text, decompose), _MANY_MARKS).tolist():
        run = "".join(unicodedata.normalize(decompose, mark) for mark in text[start:end])
        parts += text[done:start], *sorted(run, key=unicodedata.combining)
        done = end
    return "".join([*parts, text[done:]])


def _are_marks(text: str, decompose: _Form) -> npt.NDArray[np.bool_]:
    """Return of each character whether it is nothing but marks: (characters,)."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return np.take(_marks(decompose), points)


def _runs(is_mark: npt.NDArray[np.bool_], shortest: int) -> npt.NDArray[np.int64]:
    """Return where runs of at least `shortest` marks begin and end: (runs, 2)."""
    edges = np.flatnonzero(np.diff(is_mark, prepend=False, append=False))
    return edges.reshape(-1, 2)[edges[1::2] - edges[::2] >= shortest]


@lru_cache
def _marks(decompose: _Form) -> npt.NDArray[np.bool_]:
    """Return of each code point whether the form `decompose` makes nothing but marks of it: (code points,)."""
    marks = np.zeros(sys.maxunicode + 1, dtype=np.bool_)
    for point in range(_LAST_MARK):
        character = chr(point)
        if unicodedata.combining(character) or unicodedata.decomposition(character):
            marks[point] = all(map(unicodedata.combining, unicodedata.normalize(decompose, character)))
    return marks


def _safe_cut(text: str) -> int:
    """Return where `text` can be cut so that its two parts are normalised and lower-cased as the whole would be.

    ASCII characters compose with nothing before them (Unicode Standard Annex #15); blanks also end the context in
    which a Greek sigma is lower-cased, which looks for a letter beyond these marks. What follows the cut waits for the
    next piece. Nothing composes with a line end, so that what follows one need not be known.
    """
    if text.endswith("\n"):
        return len(text)
    if text.isascii():
        return max(len(text.rstrip("'.:^`")) - 1, 0)
    return max(text.rfind(" "), text.rfind("\n"), 0)
