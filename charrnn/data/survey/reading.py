"""Reads a bounded part of the files of a text: all of a small file, beginning, middle and end of a large one.

Knows neither lines nor columns.
"""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from charrnn.config.schema import DataParams
from charrnn.data.encodings import AUTO, find_encoding
from charrnn.data.normalisation import normalise
from charrnn.data.text_file import TextFile
from charrnn.files import explain

MOST_BYTES = 10_000_000
"""Bytes read, of all files together."""
MOST_FILES = 1000
"""Files read; of more, so many at equal distances."""
_UTF8 = "utf-8"
_MARKED = {"utf-16": 2, "utf-32": 4}
"""Encodings in which a mark says the order of bytes, and its size (bytes)."""
_WIDEST = 4  # bytes of a character, at most
_CONTINUATIONS = bytes(range(0x80, 0xC0))
AS_FOUND = DataParams(encoding=AUTO)
"""How a text is read of which nothing is known."""


@dataclass(frozen=True)
class Sample:
    """The part of a text that was read.

    Attributes:
        pieces: in the order of the text, line ends unified; whole lines, except in a line longer than a piece.
        size: what was read (bytes).
        encodings: those of all files that are not UTF-8, each once.
        line_ends: those that are not LF: "CR LF", "CR" or both.
    """

    pieces: tuple[str, ...]
    size: int
    encodings: tuple[str, ...]
    line_ends: tuple[str, ...]


def read_sample(files: Sequence[TextFile], *, spread: bool) -> Sample:
    """Read at most MOST_BYTES, of at most MOST_FILES files; to find its encoding, each file is read whole before.

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
    size, with_lf, alone = 0, 0, 0
    for file, share in zip(chosen, _shares([file.size for file in chosen]), strict=True):
        spans = _read(file, share, spread)
        codec = find_encoding(file, AS_FOUND).name
        for start, data in spans:
            text = _decoded(data, codec, before=spans[0][1][: _MARKED.get(codec, 0)] if start else b"")
            # A CR at a cut may be the first half of a CR LF.
            seen = text.removesuffix("\r") if start + len(data) < file.size else text
            with_lf += seen.count("\r\n")
            alone += seen.count("\r") - seen.count("\r\n")
            whole = _whole_lines(normalise(text, DataParams()), start > 0, start + len(data) < file.size)
            pieces.append(whole)
            size += len(data)
    encodings = dict.fromkeys(find_encoding(file, AS_FOUND).name for file in files)
    encodings.pop(_UTF8, None)
    line_ends = tuple(name for name, count in (("CR LF", with_lf), ("CR", alone)) if count)
    return Sample(tuple(pieces), size, tuple(encodings), line_ends)


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


def _decoded(data: bytes, codec: str, before: bytes) -> str:
    """Decode the part `data` of a file; `before` is the mark that says in which order bytes are, b"" without."""
    if codec == _UTF8:
        # The rest of the character that it begins in the middle of.
        data = data[:_WIDEST].lstrip(_CONTINUATIONS) + data[_WIDEST:]
    # A character that is cut at the end waits for bytes that do not come; one that is cut at the start is replaced.
    return codecs.getincrementaldecoder(codec)("replace").decode(before + data)


def _whole_lines(text: str, cut_before: bool, cut_after: bool) -> str:
    """Return `text` without the part of a line at an end where it was cut, unless it is in one line."""
    begin = text.find("\n") + 1 if cut_before else 0
    end = text.rfind("\n") + 1 if cut_after else len(text)
    return text[begin:end] if begin < end else text
