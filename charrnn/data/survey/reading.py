"""Reads a bounded part of the files of a text: all of a small file, beginning, middle and end of a large one.

Knows neither lines nor columns.
"""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from charrnn.config.schema import DataParams
from charrnn.data.normalisation import normalise
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError
from charrnn.files import explain

MOST_BYTES = 10_000_000
"""Bytes read, of all files together."""
MOST_FILES = 1000
"""Files read; of more, so many at equal distances."""
UTF8, OTHER = "utf-8", "auto"
"""Values of data.encoding: every file is UTF-8; one at least is not."""

_MARKS = {  # the mark of UTF-32-LE begins with that of UTF-16-LE
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_WIDEST = 4  # bytes of a character, at most
_CONTINUATIONS = bytes(range(0x80, 0xC0))
# Characters that no text has, but for a stray one.
_CONTROLS = dict.fromkeys(set(range(32)) - set(b"\t\n\x0b\x0c\r\x1b"))
_MOST_CONTROLS = 0.02


@dataclass(frozen=True)
class Sample:
    """The part of a text that was read.

    Attributes:
        pieces: in the order of the text, line ends unified; whole lines, except in a line longer than a piece.
        size: what was read (bytes).
        encoding: UTF8 or OTHER.
        has_crlf: whether lines end in CR.
    """

    pieces: tuple[str, ...]
    size: int
    encoding: str
    has_crlf: bool


def read_sample(files: Sequence[TextFile], *, spread: bool) -> Sample:
    """Read at most MOST_BYTES, of at most MOST_FILES files.

    Args:
        files: at least one.
        spread: read beginning, middle and end of a large file; else its beginning only.

    Raises:
        CorpusError: a file is no text.
        FileError: a file cannot be read.
    """
    step = max(len(files) / MOST_FILES, 1.0)
    chosen = [files[int(index * step)] for index in range(min(len(files), MOST_FILES))]
    pieces: list[str] = []
    size, encoding, has_crlf = 0, UTF8, False
    for file, share in zip(chosen, _shares([file.size for file in chosen]), strict=True):
        spans = _read(file, share, spread)
        codec = _codec([data for _, data in spans])
        encoding = encoding if codec == UTF8 else OTHER
        for start, data in spans:
            text = _decoded(data, codec, is_start=start == 0)
            if len(text.translate(_CONTROLS)) < (1 - _MOST_CONTROLS) * len(text):
                raise CorpusError(
                    f"{file.name}: is no text, or in an encoding without a mark; data.encoding can name it"
                )
            has_crlf = has_crlf or "\r" in text
            whole = _whole_lines(normalise(text, DataParams()), start > 0, start + len(data) < file.size)
            pieces.append(whole)
            size += len(data)
    return Sample(tuple(pieces), size, encoding, has_crlf)


def _shares(sizes: Sequence[int]) -> list[int]:
    """Return how many bytes to read of each file: what small files leave of their share goes to larger ones."""
    shares = [0] * len(sizes)
    left = MOST_BYTES
    for done, index in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        shares[index] = min(sizes[index], left // (len(sizes) - done))
        left -= shares[index]
    return shares


def _read(file: TextFile, share: int, spread: bool) -> list[tuple[int, bytes]]:
    """Return where each span of `file` begins (bytes) and its bytes: `share` of them together, or a few less."""
    if share >= file.size or not spread:
        starts, length = [0], share
    else:
        length = max(share // 3, _WIDEST)
        starts = [0, (file.size - length) // 2, file.size - length]
    try:
        with open(file.path, "rb") as opened:
            spans = []
            for start in starts:
                # Every character of UTF-16 and UTF-32 is at a multiple of its width.
                opened.seek(start - start % _WIDEST)
                spans.append((opened.tell(), opened.read(length)))
    except OSError as error:
        raise explain(error, "read", file.path) from error
    return spans


def _codec(spans: Sequence[bytes]) -> str:
    """Return the codec that the mark of a file says, or UTF-8, or Latin-1, which decodes anything."""
    for mark, codec in _MARKS.items():
        if spans[0].startswith(mark):
            return codec
    try:
        for index, data in enumerate(spans):
            codecs.getincrementaldecoder(UTF8)().decode(_from_a_character(data, index))
    except UnicodeDecodeError:
        return "latin-1"
    return UTF8


def _from_a_character(data: bytes, start: int) -> bytes:
    """Return `data` without the rest of the UTF-8 character that it begins in the middle of, unless `start` is 0."""
    return data[:_WIDEST].lstrip(_CONTINUATIONS) + data[_WIDEST:] if start else data


def _decoded(data: bytes, codec: str, *, is_start: bool) -> str:
    data = data if is_start or codec != UTF8 else _from_a_character(data, 1)
    # What is cut off at the end of a span waits for bytes that do not come. Wide encodings are read to count, not to
    # check; encoding the text checks.
    return codecs.getincrementaldecoder(codec)("strict" if codec == UTF8 else "replace").decode(data)


def _whole_lines(text: str, cut_before: bool, cut_after: bool) -> str:
    """Return `text` without the part of a line at an end where it was cut, unless it is in one line."""
    begin = text.find("\n") + 1 if cut_before else 0
    end = text.rfind("\n") + 1 if cut_after else len(text)
    return text[begin:end] if begin < end else text
