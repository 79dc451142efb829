"""Reads one text file in pieces: decoded, its mark removed, its line ends unified. Knows no other file of the text."""

import codecs
import io
import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from charrnn.config.schema import DataParams
from charrnn.data.encodings import AUTO, find_encoding, marked_encoding
from charrnn.data.guessing import CONVERT
from charrnn.data.normalisation import BYTE_ORDER_MARK
from charrnn.data.text_file import TextFile
from charrnn.errors import ParamsError, UndecodedError
from charrnn.files import explain

CHUNK_BYTES = 2**19
_NEAR = 2**12
"""How far from the end of a piece a line end is looked for (bytes)."""
_NO_ENCODINGS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape"}
"""Those of Python that are for names of hosts and for source code: they would change a text and say nothing."""


def read_file(file: TextFile, params: DataParams, chunk_bytes: int = CHUNK_BYTES) -> Iterator[str]:
    """Yield the text of `file` in pieces of about `chunk_bytes`, not yet in normal form.

    Raises:
        UndecodedError: a byte sequence that does not decode, with the file and the offset in it; or it cannot be told
            what the file is in.
        FileError: the file cannot be read.
        ParamsError: `data.encoding` is not a text encoding.
    """
    found = find_encoding(file, params)
    encoding = found.name
    try:
        if codecs.lookup(encoding).name.replace("-", "_") in _NO_ENCODINGS:
            raise LookupError
        "".encode(encoding)
        decoder = codecs.getincrementaldecoder(encoding)()
    except (LookupError, ValueError):  # a ValueError for NUL in the name, and for the codec "undefined"
        raise ParamsError(
            f"data.encoding: must be auto, or a text encoding such as utf-8 or latin-1, got {params.encoding!r}"
        ) from None
    newlines = io.IncrementalNewlineDecoder(None, translate=True) if params.newline == "unix" else None
    or_auto = ", or to auto" if found.how == "given" else ""
    advice = f"set data.encoding to what it is{or_auto}, or {CONVERT}"
    offset, first = 0, True
    try:
        with open(file.path, "rb") as opened:
            while True:
                data = _read(opened, chunk_bytes)
                file.on_read(offset, data)
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
                    raise UndecodedError(f"{file.name}: is not {encoding} text: {problem}; {advice}") from None
                except UnicodeError as error:
                    raise UndecodedError(f"{file.name}: is not {encoding} text: {error}; {advice}") from None
                offset += len(data)
                if first and piece:
                    piece, first = piece.removeprefix(BYTE_ORDER_MARK), False
                yield newlines.decode(piece, final=not data) if newlines else piece
                if not data:
                    return
    except OSError as error:
        raise explain(error, "read", file.path) from error


def _read(opened: BinaryIO, most: int) -> bytes:
    """Return the next `most` bytes, or those up to the last line end if it is near; none at the end.

    A piece that ends with a line end need not be cut and joined with the next, which would copy all of it.
    """
    start, near = opened.tell(), min(most, _NEAR)
    opened.seek(most - near, os.SEEK_CUR)
    lines = opened.read(near).rfind(b"\n") + 1
    opened.seek(start)
    return opened.read(most - near + lines if lines else most)


def undecoded(files: Sequence[TextFile], params: DataParams, shown: int = 5) -> str:
    """Return a line that names the first `shown` of several files that cannot be read as text; '' where fewer than two.

    All files are read. Raises FileError where one cannot be.
    """
    if len(files) < 2:
        return ""
    problems = [problem for file in files if (problem := _problem(file, params))]
    if len(problems) < 2:
        return ""
    more = f" and {len(problems) - shown} more" if len(problems) > shown else ""
    to_what = "auto, or " if params.encoding.strip().lower() != AUTO else ""
    return (
        f"{len(problems)} of {len(files)} files are not what data.encoding = {params.encoding} can read: "
        f"{', '.join(problems[:shown])}{more}; {CONVERT}, or set data.encoding to {to_what}what they all are"
    )


def _problem(file: TextFile, params: DataParams) -> str:
    """Return the name of `file` and why it cannot be read as text, without the advice; '' where it can."""
    try:
        for _ in read_file(file, params):
            pass
    except UndecodedError as error:
        reason = str(error).removeprefix(f"{file.name}: ").rpartition("; ")[0]
        return f"{file.name} ({reason.removeprefix(f'is not {params.encoding} text: ')})"
    return ""
