"""Reads a bounded part of the files of a text: all of a small file, beginning, middle and end of a large one.

Knows neither lines nor columns.
"""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from charrnn.config.schema import DataParams
from charrnn.data.decoding import read_file
from charrnn.data.encodings import AUTO, find_encoding
from charrnn.data.normalisation import normalise
from charrnn.data.text_file import TextFile
from charrnn.files import explain

MOST_BYTES = 10_000_000
"""Bytes read, of all files together."""
MOST_FILES = 1000
"""Files read; of more, so many at equal distances."""
_MARKS = {  # the mark of UTF-32-LE begins with that of UTF-16-LE
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_UTF8 = "utf-8"
_WIDEST = 4  # bytes of a character, at most
_CONTINUATIONS = bytes(range(0x80, 0xC0))
_AUTO = DataParams(encoding=AUTO)


@dataclass(frozen=True)
class Sample:
    """The part of a text that was read.

    Attributes:
        pieces: in the order of the text, line ends unified; whole lines, except in a line longer than a piece.
        size: what was read (bytes).
        encodings: those of files that are not UTF-8, each once.
        has_crlf: whether lines end in CR.
    """

    pieces: tuple[str, ...]
    size: int
    encodings: tuple[str, ...]
    has_crlf: bool


def read_sample(files: Sequence[TextFile], *, spread: bool) -> Sample:
    """Read at most MOST_BYTES, of at most MOST_FILES files.

    Args:
        files: at least one.
        spread: read beginning, middle and end of a large file; else its beginning only.

    Raises:
        CorpusError: a file is no text, or it cannot be told what it is in.
        FileError: a file cannot be read.
    """
    step = max(len(files) / MOST_FILES, 1.0)
    chosen = [files[int(index * step)] for index in range(min(len(files), MOST_FILES))]
    pieces: list[str] = []
    encodings: dict[str, None] = {}
    size, has_crlf = 0, False
    for file, share in zip(chosen, _shares([file.size for file in chosen]), strict=True):
        spans = _read(file, share, spread)
        codec = _codec(file, [data for _, data in spans])
        if codec != _UTF8:
            encodings[codec] = None
        for start, data in spans:
            text = _decoded(data, codec, is_start=start == 0)
            has_crlf = has_crlf or "\r" in text
            whole = _whole_lines(normalise(text, DataParams()), start > 0, start + len(data) < file.size)
            pieces.append(whole)
            size += len(data)
    return Sample(tuple(pieces), size, tuple(encodings), has_crlf)


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


def _codec(file: TextFile, spans: Sequence[bytes]) -> str:
    """Return the codec of `file`: the whole of it is read only where `spans`, its parts, are not plain UTF-8."""
    for mark, codec in _MARKS.items():
        if spans[0].startswith(mark):
            return codec
    try:
        for index, data in enumerate(spans):
            codecs.getincrementaldecoder(_UTF8)().decode(_from_a_character(data, index))
    except UnicodeDecodeError:
        pass
    else:
        # Other encodings, too, are ASCII but for these.
        if not any(b"\0" in data or b"\x1b" in data for data in spans):
            return _UTF8
    found = find_encoding(file, _AUTO)
    if found.name == _UTF8:
        # Where it is damaged is an error of reading it.
        for _ in read_file(file, _AUTO):
            pass
    return found.name


def _from_a_character(data: bytes, start: int) -> bytes:
    """Return `data` without the rest of the UTF-8 character that it begins in the middle of, unless `start` is 0."""
    return data[:_WIDEST].lstrip(_CONTINUATIONS) + data[_WIDEST:] if start else data


def _decoded(data: bytes, codec: str, *, is_start: bool) -> str:
    if not is_start and codec == _UTF8:
        data = _from_a_character(data, 1)
    # A character that is cut at the end waits for bytes that do not come; one that is cut at the start is replaced.
    return codecs.getincrementaldecoder(codec)("replace").decode(data)


def _whole_lines(text: str, cut_before: bool, cut_after: bool) -> str:
    """Return `text` without the part of a line at an end where it was cut, unless it is in one line."""
    begin = text.find("\n") + 1 if cut_before else 0
    end = text.rfind("\n") + 1 if cut_after else len(text)
    return text[begin:end] if begin < end else text
