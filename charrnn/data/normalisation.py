"""Makes one character of what looks like one: line ends, Unicode normal form, case.

A training text in pieces and a text that a person types go through the same functions.
"""

import unicodedata
from collections.abc import Iterator

from charrnn.config.schema import DataParams

BYTE_ORDER_MARK = "\ufeff"


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
    held = ""
    for piece in pieces:
        cut = _safe_cut(piece) if params.unicode_form != "none" or params.lowercase else len(piece)
        if cut:
            yield normal_form(held + piece[:cut], params)
            held = piece[cut:]
        else:
            held += piece
    yield normal_form(held, params)


def normal_form(text: str, params: DataParams) -> str:
    """Return `text`, which is whole, in the case and the Unicode normal form of `params`."""
    # Lower-casing first: it can leave a form that is no longer normal, never the other way round.
    if params.lowercase:
        text = text.lower()
    if params.unicode_form != "none" and not text.isascii():
        text = unicodedata.normalize(params.unicode_form, text)
    return text


def _safe_cut(text: str) -> int:
    """Return where `text` can be cut so that its two parts are normalised and lower-cased as the whole would be.

    ASCII characters compose with nothing before them (Unicode Standard Annex #15); blanks also end the context in
    which a Greek sigma is lower-cased, which looks for a letter beyond these marks. What follows the cut waits for the
    next piece.
    """
    if text.isascii():
        return max(len(text.rstrip("'.:^`")) - 1, 0)
    return max(text.rfind(" "), text.rfind("\n"), 0)
