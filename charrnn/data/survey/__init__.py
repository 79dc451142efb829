"""Looks at a text and states facts about it: size, lines, entries, columns, characters. Draws no conclusion."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from charrnn.data.survey.lines import Lines, lines_of
from charrnn.data.survey.mixture import Mixture, mixture_of
from charrnn.data.survey.reading import Sample, read_sample
from charrnn.data.survey.records import Table, common_format, table_of
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError
from charrnn.wording import counted

RARE = 3
"""Characters that occur less often are rare (count)."""


@dataclass(frozen=True)
class Characters:
    """The characters of a text, as far as it was read.

    Attributes:
        distinct: different ones (count).
        rare: those that occur less than RARE times, at most 1000 of them.
        has_capitals: whether a capital is among them.
    """

    distinct: int
    rare: str
    has_capitals: bool


@dataclass(frozen=True)
class Survey:
    """Facts about a text, as far as it was looked at.

    Attributes:
        file_sizes: of each file (bytes), in order.
        repeated_files: share of the files whose bytes another one before has (0 to 1).
        read: the part that was looked at (bytes); of a table, `table` says it.
        encodings: those of files that are not UTF-8, each once.
        line_ends: those that are not LF: "CR LF", "CR" or both.
        characters: all of what was read; of a table, names of columns and the like included.
        lines: what lines look like; None where the text is records.
        mixture: differences between beginning, middle and end; None where the text is too short to tell, or records.
        table: its columns, where the text is records.
    """

    file_sizes: tuple[int, ...]
    repeated_files: float
    read: int
    encodings: tuple[str, ...]
    line_ends: tuple[str, ...]
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
        """Whether all of the text was looked at."""
        return self.read == self.size if self.table is None else self.table.is_whole


def survey(files: Sequence[TextFile]) -> Survey:
    """Look at at most 10 MB of `files`, at least one; to find their encodings, they are read whole before.

    Raises:
        CorpusError: a file is no text or a damaged table, or there is nothing in it but blanks or names of columns.
        FileError: a file cannot be read.
    """
    form = common_format(files)
    sample = Sample((), 0, (), ()) if form and not form.is_text else read_sample(files, spread=form is None)
    found = Survey(
        file_sizes=tuple(file.size for file in files),
        repeated_files=1 - len({file.sha256 for file in files}) / len(files),
        read=sample.size,
        encodings=sample.encodings,
        line_ends=sample.line_ends,
        characters=_characters(sample.pieces),
        lines=lines_of(sample.pieces) if form is None else None,
        mixture=mixture_of("\n".join(sample.pieces)) if form is None else None,
        table=table_of(files, form, "".join(sample.pieces[:1])) if form is not None else None,
    )
    if found.table is None and found.lines is None:
        raise CorpusError(f"{files[0].name}: has nothing but blank lines")
    if found.table is not None and not any(column.filled for column in found.table.columns):
        raise CorpusError(f"{files[0].name}: {_why_no_column(found.table)}")
    return found


def _why_no_column(table: Table) -> str:
    """Return why no column of `table` has a text to learn from."""
    if not table.rows:
        return f"has no records in it, as {table.format.name}"
    if not table.columns:
        return "has no column with a name that no other has, and a template takes columns by name"
    return (
        f"none of its {counted(table.rows, 'record')} has a text or a number in a column; lists and maps are taken "
        "only where data.template names them"
    )


def _characters(texts: Sequence[str]) -> Characters:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    rare = sorted(character for character, count in counts.items() if count < RARE)
    return Characters(len(counts), "".join(rare[:1000]), any(map(str.isupper, counts)))
