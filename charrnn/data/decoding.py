"""Reads one text file in pieces: decoded, its mark removed, its line ends unified. Knows no other file of the text."""

import codecs
import io
from collections.abc import Iterator

from charrnn.config.schema import DataParams
from charrnn.data.encodings import find_encoding, marked_encoding
from charrnn.data.normalisation import BYTE_ORDER_MARK
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError, ParamsError
from charrnn.files import explain

CHUNK_BYTES = 2**18


def read_file(file: TextFile, params: DataParams, chunk_bytes: int = CHUNK_BYTES) -> Iterator[str]:
    """Yield the text of `file` in pieces of about `chunk_bytes`, not yet in normal form.

    Raises:
        CorpusError: a byte sequence that does not decode, with the file and the offset in it; or it cannot be told
            what the file is in.
        FileError: the file cannot be read.
        ParamsError: `data.encoding` is not a text encoding.
    """
    found = find_encoding(file, params)
    encoding = found.name
    try:
        "".encode(encoding)
        decoder = codecs.getincrementaldecoder(encoding)()
    except (LookupError, ValueError):  # a ValueError for NUL in the name, and for the codec "undefined"
        raise ParamsError(
            f"data.encoding: must be auto, or a text encoding such as utf-8 or latin-1, got {params.encoding!r}"
        ) from None
    newlines = io.IncrementalNewlineDecoder(None, translate=True) if params.newline == "unix" else None
    advice = "set data.encoding to what it is" + (", or to auto" if found.how == "given" else "")
    offset, first = 0, True
    try:
        with open(file.path, "rb") as opened:
            while True:
                data = opened.read(chunk_bytes)
                try:
                    piece = decoder.decode(data, final=not data)
                except UnicodeDecodeError as error:
                    # The decoder looks at `data` and at what it held back of the pieces before.
                    at = offset + len(data) - len(error.object) + error.start
                    problem = f"{error.reason} at byte offset {at} (0x{error.object[error.start]:02x})"
                    opened.seek(0)
                    mark = marked_encoding(opened.read(4))
                    if mark and not codecs.lookup(encoding).name.startswith(mark):
                        problem += f", and it begins with the byte-order mark of {mark}"
                    raise CorpusError(f"{file.name}: is not {encoding} text: {problem}; {advice}") from None
                except UnicodeError as error:
                    raise CorpusError(f"{file.name}: is not {encoding} text: {error}; {advice}") from None
                offset += len(data)
                if first and piece:
                    piece, first = piece.removeprefix(BYTE_ORDER_MARK), False
                yield newlines.decode(piece, final=not data) if newlines else piece
                if not data:
                    return
    except OSError as error:
        raise explain(error, "read", file.path) from error
