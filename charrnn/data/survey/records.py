"""What the columns of CSV, TSV, JSON lines and Parquet files look like. Decides no template."""

import itertools
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from charrnn.data.records import TableFormat, read_rows, table_format
from charrnn.data.records.delimited import CSV_DELIMITERS
from charrnn.data.records.row import Row
from charrnn.data.records.values import as_text
from charrnn.data.survey.reading import AS_FOUND, MOST_BYTES
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError

MOST_ROWS = 100_000
"""Rows looked at, of all files together."""
_POSSIBLE_DELIMITERS = f"{CSV_DELIMITERS}|"
_LONGEST_NAME = 60  # characters; a longer cell is no name of a column


@dataclass(frozen=True)
class Column:
    """A column, as far as it was looked at.

    Attributes:
        name: as the file has it.
        regular: whether every record has it, once.
        filled: share of rows where it is not empty (0 to 1).
        numeric: share of its values that are numbers (0 to 1).
        mean: length of a value (characters).
        longest: (characters).
        distinct: different values (count).
        commonest: the value that occurs most often.
        named: whether its name is unlike its values, as that of a column is: neither one of them, nor a number among
            numbers, nor long.
    """

    name: str
    regular: bool
    filled: float
    numeric: float
    mean: float
    longest: int
    distinct: int
    commonest: str
    named: bool


@dataclass(frozen=True)
class Table:
    """Records, as far as they were looked at.

    Attributes:
        format: that of all its files.
        rows: looked at (count).
        is_whole: whether these are all rows.
        columns: in the order of the files.
        delimiter: what seems to stand between cells, where that is not what separates them in this format; else ''.
    """

    format: TableFormat
    rows: int
    is_whole: bool
    columns: tuple[Column, ...]
    delimiter: str

    @property
    def has_header(self) -> bool:
        """Whether names of columns are in the first row, as far as that shows."""
        return not self.takes_header or all(column.named for column in self.columns)

    @property
    def takes_header(self) -> bool:
        """Whether the first row is taken for the names of the columns, whatever it has."""
        return bool(self.format.delimiters)


def common_format(files: Sequence[TextFile]) -> TableFormat | None:
    """Return the format of records that the names of all `files` have; None where they do not have one."""
    try:
        formats = {table_format(file.name) for file in files}
    except CorpusError:
        return None
    return formats.pop() if len(formats) == 1 else None


def table_of(files: Sequence[TextFile], form: TableFormat, start: str) -> Table:
    """Return what the columns of `files`, which have the format `form`, look like.

    Args:
        files: at least one.
        form: as `common_format` returns it.
        start: the beginning of the text; '' for Parquet.

    Raises:
        CorpusError: a file is damaged as far as it was looked at, or pyarrow is needed and is not installed.
        FileError: a file cannot be read.
    """
    rows = itertools.chain.from_iterable(read_rows(file, AS_FOUND) for file in files)
    try:
        taken = list(itertools.islice(_first(rows), MOST_ROWS))
    except CorpusError as error:
        raise _explained(error, form, start) from None
    names = dict.fromkeys(name for row in taken for name in row)
    columns = tuple(_column(name, [row.get(name) for row in taken]) for name in names)
    delimiter = _other_delimiter(columns[0].name, taken) if form.delimiters and len(columns) == 1 else ""
    return Table(form, len(taken), next(rows, None) is None, columns, delimiter)


def _explained(error: CorpusError, form: TableFormat, start: str) -> CorpusError:
    """Return `error` with what the first line has instead of the delimiter of the format, if it has."""
    line, usual = start.partition("\n")[0], form.delimiters
    other = next((delimiter for delimiter in _POSSIBLE_DELIMITERS if delimiter in line), "")
    if not usual or not other or any(delimiter in line for delimiter in usual):
        return error
    allowed = " or ".join(map(repr, usual))
    return CorpusError(f"{error}; its first line has {other!r}, and cells of {form.name} are separated by {allowed}")


def _first(rows: Iterator[Row]) -> Iterator[dict[str, str]]:
    """Yield rows with about MOST_BYTES in all; of what is neither text nor a number, nothing."""
    left = MOST_BYTES
    while left > 0 and (row := next(rows, None)) is not None:
        left -= _size(row)
        yield {name: as_text(value) if isinstance(value, str | int | float) else "" for name, value in row.items()}


def _size(value: Any) -> int:
    match value:
        case str() | bytes():
            return len(value) + 1
        case dict():
            return sum(map(_size, value.values())) + 1
        case list() | tuple():
            return sum(map(_size, value)) + 1
    return 8


def _column(name: str, values: Sequence[str | None]) -> Column:
    filled = Counter(value for value in values if value and value.strip())
    count = filled.total()
    numeric = sum(filled[value] for value in filled if _is_number(value)) / max(count, 1)
    lengths = [len(value) for value in filled.elements()] or [0]
    return Column(
        name=name,
        regular=None not in values,
        filled=count / len(values),
        numeric=numeric,
        mean=statistics.fmean(lengths),
        longest=max(lengths),
        distinct=len(filled),
        commonest=filled.most_common(1)[0][0] if filled else "",
        named=name not in filled and not (numeric > 0.9 and _is_number(name)) and len(name) <= _LONGEST_NAME,
    )


def _is_number(value: str) -> bool:
    try:
        float(value.replace(",", ""))
    except ValueError:
        return False
    return True


def _other_delimiter(name: str, rows: Sequence[dict[str, str]]) -> str:
    """Return what occurs in the only column as often in nearly all values as in its `name`; '' for nothing."""
    for delimiter in _POSSIBLE_DELIMITERS:
        count = name.count(delimiter)
        if count and sum(row[name].count(delimiter) == count for row in rows) > 0.9 * len(rows):
            return delimiter
    return ""
