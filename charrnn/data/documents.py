"""From files to documents: reads a text in pieces of whole documents, or as one stream. Knows nothing of vocabularies.

What a document is, `data.documents` says. A file's end always ends a document. A document is held in memory whole, a
stream never.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import numpy.typing as npt

from charrnn.config.schema import NO_DOCUMENTS, DataParams
from charrnn.data.decoding import CHUNK_BYTES, read_file
from charrnn.data.normalisation import normal_forms, normalise
from charrnn.data.positions import Positions
from charrnn.data.records import read_records
from charrnn.data.separator import Splitter
from charrnn.data.text_file import TextFile
from charrnn.data.vocabulary import NOTHING, CodePoints, code_points
from charrnn.errors import CorpusError

Mask = npt.NDArray[np.bool_]

FILLER = "\n"
"""Stands after each document in a piece, where its stop symbol will be."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of the text, as code points: whole documents, or part of the stream.

    Attributes:
        file: the index of the file it is from.
        points: (length,) uint8 where all are ASCII, else uint32; each document is followed by FILLER.
        ends: (documents,) the positions of these fillers in `points`; (0,) in a stream.
        is_join: whether it stands between the file and the next one, and is in neither.
    """

    file: int
    points: CodePoints
    ends: Positions
    is_join: bool = False

    @property
    def lengths(self) -> Positions:
        """The length of each document, without its filler: (documents,)."""
        return _sizes(self.ends) - 1

    @property
    def characters(self) -> int:
        """How many characters it has, without the fillers."""
        return len(self.points) - len(self.ends)

    def documents(self, kept: Mask) -> "Piece":
        """Return the first `len(kept)` of its documents, without those for which `kept`, (first,), is false."""
        ends = self.ends[: len(kept)]
        points = self.points[: int(ends[-1]) + 1 if len(ends) else 0]
        if kept.all():
            return Piece(self.file, points, ends)
        sizes = _sizes(ends)
        return Piece(self.file, points[np.repeat(kept, sizes)], np.cumsum(sizes[kept]) - 1)

    def only(self, kept: Mask) -> "Piece":
        """Return the piece with those of its characters for which `kept`, (length,), is true; fillers always stay."""
        kept = kept.copy()
        kept[self.ends] = True
        return replace(self, points=self.points[kept], ends=np.cumsum(kept)[self.ends] - 1)


def read_pieces(files: Sequence[TextFile], params: DataParams, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Piece]:
    """Yield the text of `files` in normal form, in pieces that have at least one character or one document.

    Args:
        files: in order.
        params: how they are read, and what a document is.
        chunk_bytes: how much is read at once (bytes); the text does not depend on it.

    Raises:
        CorpusError: a file does not decode or is not what `data.documents` says; a separator never occurs.
        FileError: a file cannot be read.
        ParamsError: the encoding or the template is none.
    """
    return _READERS.get(params.documents, _separated)(files, params, chunk_bytes)


def _stream(files: Sequence[TextFile], params: DataParams, chunk_bytes: int) -> Iterator[Piece]:
    """Yield the files joined by `data.join`, which counts to the file before it; each is in normal form by itself."""
    join = normalise(params.join, params)
    tail, before = "", None
    for index, file in enumerate(files):
        for text in filter(None, _text(file, params, chunk_bytes)):
            if before not in (None, index) and (rest := _rest(tail, join)):
                yield Piece(before, code_points(rest), NOTHING, is_join=True)
            tail, before = (tail + text[-len(join) :])[-len(join) :] if join else "", index
            yield Piece(index, code_points(text), NOTHING)


def _rest(text: str, join: str) -> str:
    """Return the shortest text after which `text` ends with `join`."""
    begun = next(length for length in range(len(join), -1, -1) if text.endswith(join[:length]))
    return join[begun:]


def _lines(files: Sequence[TextFile], params: DataParams, chunk_bytes: int) -> Iterator[Piece]:
    """Yield the lines of the files: what ends with a line feed, and with the file.

    Their line ends become the fillers, so that no line is touched by itself.
    """
    for index, file in enumerate(files):
        begun: list[str] = []
        for text in _text(file, params, chunk_bytes):
            cut = text.rfind(FILLER) + 1
            if cut:
                yield _piece_of_lines(index, "".join([*begun, text[:cut]]))
                begun.clear()
            if cut < len(text):  # one text alone is joined without being copied
                begun.append(text[cut:])
        if rest := "".join(begun):
            yield _piece_of_lines(index, rest + FILLER)


def _piece_of_lines(file: int, text: str) -> Piece:
    points = code_points(text)
    return Piece(file, points, _places(points == ord(FILLER)))


def _places(mask: Mask) -> Positions:
    """Return where `mask` is true, in two thirds of the time that `np.flatnonzero` takes.

    Eight are looked at together, then only those of which one is true.
    """
    whole = len(mask) // 8 * 8
    eights = mask[:whole].view(np.uint64)
    some = np.flatnonzero(eights != 0)
    found = np.flatnonzero(eights[some].view(np.bool_))
    found += ((some - np.arange(len(some))) * 8)[found // 8]
    return np.concatenate([found, np.flatnonzero(mask[whole:]) + whole])


def _whole_files(files: Sequence[TextFile], params: DataParams, chunk_bytes: int) -> Iterator[Piece]:
    for index, file in enumerate(files):
        text = "".join(_text(file, params, chunk_bytes))
        # One line end at the end is that of the last line, as editors write it; the stop symbol takes its place.
        yield _piece(index, [text.removesuffix("\n")])


def _records(files: Sequence[TextFile], params: DataParams, chunk_bytes: int) -> Iterator[Piece]:
    for index, file in enumerate(files):
        for documents in read_records(file, params, chunk_bytes):
            yield _piece(index, [normalise(document, params) for document in documents])


def _separated(files: Sequence[TextFile], params: DataParams, chunk_bytes: int) -> Iterator[Piece]:
    """Yield the texts between separators; where nothing follows the last separator of a file, no document does."""
    separator = normalise(params.documents, params)
    if not separator or not _occurs(separator, files, params, chunk_bytes):
        raise CorpusError(
            f"data.documents: the separator {params.documents!r} never occurs in the text; "
            f"allowed are none, lines, files, records or a text that stands between two documents{_hint(separator)}"
        )
    for index, file in enumerate(files):
        for documents in _parts(separator, file, params, chunk_bytes):
            yield _piece(index, documents)


def _parts(separator: str, file: TextFile, params: DataParams, chunk_bytes: int) -> Iterator[list[str]]:
    r"""Yield the texts between separators, some at a time; the last only if it is not empty.

    The file counts as whole lines: what begins with a line end, such as a blank line or "\nFrom ", separates at the
    start of the file, too, and what ends with one at its end.
    """
    splitter = Splitter(separator)
    before = "\n" if separator.startswith("\n") else ""
    is_first = True
    for text in chain([before], _text(file, params, chunk_bytes)):
        ended = splitter.feed(text)
        if ended and is_first:
            is_first = False
            # Where it is the line end before the file that begins a separator, no document has ended yet.
            ended = [ended[0].removeprefix(before), *ended[1:]] if ended[0] or not before else ended[1:]
        if ended:
            yield ended
    last = splitter.finish()
    if separator.endswith("\n") and f"{last}\n".endswith(separator):
        last = f"{last}\n".removesuffix(separator)
    elif before:
        # It begins with the line end of the last line, also where no more of it is there.
        last = last.removesuffix("\n")
    if is_first:
        last = last.removeprefix(before)
    if last:
        yield [last]


def _hint(separator: str) -> str:
    """Return how a line end is given, if a person seems to have meant one."""
    return " (a line end is $'\\n' in bash, \"\\n\" in a parameter file)" if "\\" in separator else ""


def _occurs(separator: str, files: Sequence[TextFile], params: DataParams, chunk_bytes: int) -> bool:
    """Return whether `separator` stands anywhere in the text; reads no further than to the first."""
    before = "\n" if separator.startswith("\n") else ""
    after = "\n" if separator.endswith("\n") else ""
    for file in files:
        splitter = Splitter(separator)
        if any(splitter.feed(text) for text in chain([before], _text(file, params, chunk_bytes), [after])):
            return True
    return False


def _sizes(ends: Positions) -> Positions:
    """Return how long each document is with its filler; `np.diff` takes twice as long."""
    sizes = ends.copy()
    sizes[1:] -= ends[:-1]
    sizes[:1] += 1
    return sizes


def _piece(file: int, documents: list[str]) -> Piece:
    lengths = np.fromiter(map(len, documents), dtype=np.int64, count=len(documents))
    points = code_points(FILLER.join([*documents, ""]))
    return Piece(file, points, np.cumsum(lengths + 1) - 1)


def _text(file: TextFile, params: DataParams, chunk_bytes: int) -> Iterator[str]:
    return normal_forms(read_file(file, params, chunk_bytes), params)


_READERS = {NO_DOCUMENTS: _stream, "lines": _lines, "files": _whole_files, "records": _records}
