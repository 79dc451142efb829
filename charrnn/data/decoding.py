"""Reads a text file in pieces: decoded, line ends and Unicode form normalised. Knows nothing of vocabularies."""

import codecs
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from charrnn.config.schema import DataParams
from charrnn.errors import CorpusError, ParamsError
from charrnn.files import explain

CHUNK_BYTES = 2**18
BYTE_ORDER_MARK = "\ufeff"


def read_text(path: Path, params: DataParams, chunk_bytes: int = CHUNK_BYTES) -> Iterator[str]:
    """Yield the text of `path` in pieces of about `chunk_bytes`; joined, they are the whole normalised text.

    Memory stays at a few pieces however large the file is, as long as each has a blank or a line end in it.

    Raises:
        CorpusError: a byte sequence that does not decode, with its offset.
        FileError: the file cannot be read.
        ParamsError: `data.encoding` is not a text encoding.
    """
    left = params.max_characters
    for piece in _normalised(_decoded(path, params, chunk_bytes), params):
        if left is not None:
            piece = piece[:left]
            left -= len(piece)
        if piece:
            yield piece
        if left == 0:
            return


def _decoded(path: Path, params: DataParams, chunk_bytes: int) -> Iterator[str]:
    try:
        "".encode(params.encoding)
        decoder = codecs.getincrementaldecoder(params.encoding)()
    except (LookupError, ValueError):  # a ValueError for NUL in the name, and for the codec "undefined"
        raise ParamsError(
            f"data.encoding: must be a text encoding such as utf-8 or latin-1, got {params.encoding!r}"
        ) from None
    newlines = io.IncrementalNewlineDecoder(None, translate=True) if params.newline == "unix" else None
    offset, first = 0, True
    try:
        with open(path, "rb") as file:
            while True:
                data = file.read(chunk_bytes)
                try:
                    piece = decoder.decode(data, final=not data)
                except UnicodeDecodeError as error:
                    # The decoder looks at `data` and at what it held back of the pieces before.
                    at = offset + len(data) - len(error.object) + error.start
                    raise CorpusError(
                        f"{path}: is not {params.encoding} text: {error.reason} at byte offset {at} "
                        f"(0x{error.object[error.start]:02x}); set data.encoding to what it is"
                    ) from None
                except UnicodeError as error:
                    raise CorpusError(f"{path}: is not {params.encoding} text: {error}") from None
                offset += len(data)
                if first and piece:
                    piece, first = piece.removeprefix(BYTE_ORDER_MARK), False
                yield newlines.decode(piece, final=not data) if newlines else piece
                if not data:
                    return
    except OSError as error:
        raise explain(error, "read", path) from error


def _normalised(pieces: Iterator[str], params: DataParams) -> Iterator[str]:
    """Normalise each piece up to a place where no character can join with what follows."""
    held = ""
    for piece in pieces:
        cut = _safe_cut(piece) if params.unicode_form != "none" or params.lowercase else len(piece)
        if cut:
            yield _normalise(held + piece[:cut], params)
            held = piece[cut:]
        else:
            held += piece
    yield _normalise(held, params)


def _safe_cut(text: str) -> int:
    """Return where `text` can be cut so that its two parts are normalised and lower-cased as the whole would be.

    ASCII characters compose with nothing before them (Unicode Standard Annex #15); blanks also end the context in
    which a Greek sigma is lower-cased, which looks for a letter beyond these marks. What follows the cut waits for the
    next piece.
    """
    if text.isascii():
        return max(len(text.rstrip("'.:^`")) - 1, 0)
    return max(text.rfind(" "), text.rfind("\n"), 0)


def _normalise(text: str, params: DataParams) -> str:
    # Lower-casing first: it can leave a form that is no longer normal, never the other way round.
    if params.lowercase:
        text = text.lower()
    if params.unicode_form != "none" and not text.isascii():
        text = unicodedata.normalize(params.unicode_form, text)
    return text
