"""Looks at a text and states facts about it: size, lines, entries, columns, characters. Draws no conclusion."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from charrnn.data.survey.lines import Lines, lines_of
from charrnn.data.survey.mixture import Mixture, mixture_of
from charrnn.data.survey.reading import read_sample
from charrnn.data.survey.records import PARQUET, Table, record_format, table_of_parquet, table_of_text
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError

RARE = 3
"""Characters that occur less often are rare (count)."""


@dataclass(frozen=True)
class Characters:
    """The characters of a text, as far as it was read.

    Attributes:
        count: in the part that was read.
        distinct: different ones (count).
        rare: those that occur less than RARE times, at most 1000 of them.
        cased: share that is a capital or a small letter (0 to 1).
        capitals: share of those that is a capital (0 to 1).
    """

    count: int
    distinct: int
    rare: str
    cased: float
    capitals: float


@dataclass(frozen=True)
class Survey:
    """Facts about a text.

    Attributes:
        file_sizes: of each file (bytes), in order.
        read: the part that was looked at (bytes).
        scale: what to multiply a count in this part with, to estimate that in the whole text; 1 where all was read.
        encodings: those of files that are not UTF-8, each once.
        has_crlf: whether lines end in CR LF or CR.
        characters: all of what was read, names of columns and the like included.
        lines: what lines look like; None for Parquet.
        mixture: differences between beginning, middle and end; None where the text is too short to tell, or records.
        table: its columns, where the text is records.
    """

    file_sizes: tuple[int, ...]
    read: int
    scale: float
    encodings: tuple[str, ...]
    has_crlf: bool
    characters: Characters
    lines: Lines | None
    mixture: Mixture | None
    table: Table | None

    @property
    def size(self) -> int:
        """Of all files (bytes)."""
        return sum(self.file_sizes)

    @property
    def is_whole(self) -> bool:
        """Whether all of the text was read."""
        return self.scale == 1


def survey(files: Sequence[TextFile]) -> Survey:
    """Look at at most 10 MB of `files`, at least one.

    Raises:
        CorpusError: a file is no text, or there is nothing in it but blanks or names of columns.
        FileError: a file cannot be read.
    """
    form = record_format(files)
    found = _survey_parquet(files) if form == PARQUET else _survey_text(files, form)
    if found.table is None and found.lines is None:
        raise CorpusError(f"{files[0].name}: has nothing but blank lines")
    if found.table is not None and not any(column.filled for column in found.table.columns):
        raise CorpusError(f"{files[0].name}: has no records in it, as {found.table.format}")
    return found


def _survey_parquet(files: Sequence[TextFile]) -> Survey:
    table, total = table_of_parquet(files)
    sizes = tuple(file.size for file in files)
    scale = total / table.rows if table.rows else 1.0
    nothing = Characters(0, 0, "", 0.0, 0.0)
    return Survey(sizes, int(sum(sizes) / scale), scale, (), False, nothing, None, None, table)


def _survey_text(files: Sequence[TextFile], form: str | None) -> Survey:
    sample = read_sample(files, spread=form is None)
    sizes = tuple(file.size for file in files)
    scale = sum(sizes) / sample.size if sample.size < sum(sizes) else 1.0
    characters = _characters(sample.pieces)
    if form is not None:
        table = table_of_text(sample.pieces, form)
        return Survey(sizes, sample.size, scale, sample.encodings, sample.has_crlf, characters, None, None, table)
    return Survey(
        file_sizes=sizes,
        read=sample.size,
        scale=scale,
        encodings=sample.encodings,
        has_crlf=sample.has_crlf,
        characters=characters,
        lines=lines_of(sample.pieces),
        mixture=mixture_of("\n".join(sample.pieces)),
        table=None,
    )


def _characters(texts: Sequence[str]) -> Characters:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    capitals = sum(count for character, count in counts.items() if character.isupper())
    cased = capitals + sum(count for character, count in counts.items() if character.islower())
    rare = sorted(character for character, count in counts.items() if count < RARE)
    return Characters(
        count=counts.total(),
        distinct=len(counts),
        rare="".join(rare[:1000]),
        cased=cased / max(counts.total(), 1),
        capitals=capitals / max(cased, 1),
    )
