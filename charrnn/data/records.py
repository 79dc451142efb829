"""Reads the rows of tables as documents: CSV, TSV, JSON lines and Parquet, through a template over their columns.

What a file is, its name says. Values are text as they stand in the file: nothing is taken for a number or for missing.
"""

import csv
import difflib
import json
import string
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import PurePosixPath
from typing import Any

from charrnn.config.redaction import one_line
from charrnn.config.schema import DataParams
from charrnn.data.decoding import CHUNK_BYTES, read_file
from charrnn.data.separator import Splitter
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError, ParamsError
from charrnn.files import explain

_PACKED = (".gz", ".xz", ".zip")
"""What follows the suffix of a table in the name of a packed one."""
_MAX_CELL = 2**27
"""Longest cell of a CSV file (characters): where a quote is missing, all that follows would be one cell."""
_MOST_COLUMNS, _MOST_CHARACTERS = 20, 40
"""How many columns a message lists, and how much it shows of what is in a file (characters)."""
_PARQUET_ROWS = 64
"""Rows of a Parquet file that are read at once."""

Row = dict[str, Any]
"""Column -> value as the file has it."""
_Choose = Callable[[Sequence[str], str], tuple[str, ...]]
"""From the columns of a table, or of a record, and what messages call it to the columns that are wanted."""


@dataclass(frozen=True)
class Template:
    """The text of a record, with its columns in braces.

    Attributes:
        parts: what it is made of, in order: a text, and the column after it, None where there is none.
    """

    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Read a template such as "{title}: {text}"; {{ and }} are braces.

        A field is the name of a column, whatever characters it has: nothing is looked up in a value.

        Raises:
            ParamsError: braces that do not match, a field without a name or with a format, no field.
        """
        try:
            found = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ParamsError(f"data.template: {error}, in {text!r}; write a brace of the text twice") from None
        for _, field, form, conversion in found:
            if field is not None and (not field or form or conversion):
                written = f"{field}{'!' if conversion else ''}{conversion or ''}{':' if form else ''}{form}"
                raise ParamsError(
                    f"data.template: a field must be the name of a column in braces, got '{{{written}}}' in {text!r}"
                )
        template = cls(tuple((literal, field) for literal, field, _, _ in found))
        if not template.columns:
            raise ParamsError(f"data.template: names no column in braces, got {text!r}")
        return template

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, each once, in order."""
        return tuple(dict.fromkeys(column for _, column in self.parts if column is not None))

    def fill(self, record: Mapping[str, str]) -> str:
        """Return the text of `record`, which maps each of its columns to a value."""
        return "".join(text if column is None else text + record[column] for text, column in self.parts)


def record_format(name: str) -> str:
    """Return the suffix of the table that is called `name`, such as .csv; that of a packed one, too.

    Raises:
        CorpusError: its suffix is none of a table.
    """
    place = name.partition("#sha256=")[0]
    if "://" in place:
        place = place.partition("?")[0]
    suffixes = [suffix.lower() for suffix in PurePosixPath(place).suffixes]
    while suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    if not suffixes or suffixes[-1] not in _FORMATS:
        raise CorpusError(
            f"{name}: is no table that data.documents = records reads; its name must end in one of "
            f"{', '.join(_FORMATS)} (packed: {', '.join(_PACKED)} after it)"
        )
    return suffixes[-1]


def read_records(file: TextFile, params: DataParams, chunk_bytes: int = CHUNK_BYTES) -> Iterator[list[str]]:
    """Yield the records of `file` as documents, not yet in normal form, some at a time.

    Args:
        file: the table.
        params: its encoding, and the template.
        chunk_bytes: how much is read at once (bytes); the records do not depend on it.

    Raises:
        CorpusError: the file is no table or is damaged, with the line; a column is not there, or several are and there
            is no template; pyarrow is needed and is not installed.
        FileError: the file cannot be read.
        ParamsError: the template is none.
    """
    template = None if params.template is None else Template.parse(params.template)
    waiting: list[str] = []
    size = 0
    for row in _FORMATS[record_format(file.name)](file, params, partial(_choose, template=template), chunk_bytes):
        try:
            record = {column: _as_text(value) for column, value in row.items()}
        except UnicodeDecodeError:
            raise _no_text(file) from None
        document = "".join(record.values()) if template is None else template.fill(record)
        waiting.append(document)
        size += len(document)
        if size >= chunk_bytes:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def read_rows(file: TextFile, params: DataParams, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Row]:
    """Yield the records of `file` with all columns but those of which several have the same name.

    Raises as `read_records`, except for what it says of the template.
    """
    return _FORMATS[record_format(file.name)](file, params, _every, chunk_bytes)


def _every(columns: Sequence[str], where: str) -> tuple[str, ...]:
    return tuple(column for column, count in Counter(columns).items() if count == 1)


def _choose(columns: Sequence[str], where: str, template: Template | None) -> tuple[str, ...]:
    """Return the columns of the template, or the only one.

    Raises:
        CorpusError: a column that it names is not among `columns` or is there twice; there is not exactly one column
            and no template.
    """
    if template is None:
        if len(columns) != 1:
            raise CorpusError(
                f"{where}: has {len(columns)} columns ({_listed(columns)}); "
                "set data.template to the text of a record, with columns in braces"
            )
        return tuple(columns)
    for wanted in template.columns:
        if wanted not in columns:
            near = difflib.get_close_matches(wanted, columns, n=1, cutoff=0)
            nearest = f"the nearest is {_shown(near[0])}; " if near else ""
            raise CorpusError(
                f"{where}: has no column {wanted!r}, which data.template names; {nearest}columns: {_listed(columns)}"
            )
        if columns.count(wanted) > 1:
            raise CorpusError(f"{where}: has {columns.count(wanted)} columns {wanted!r}, which data.template names")
    return template.columns


def _listed(columns: Sequence[str]) -> str:
    more = len(columns) - _MOST_COLUMNS
    named = ", ".join(map(_shown, columns[:_MOST_COLUMNS]))
    return (named or "none") + (f" and {more} more" if more > 0 else "")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…")


def _delimited(file: TextFile, params: DataParams, choose: _Choose, chunk_bytes: int, delimiter: str) -> Iterator[Row]:
    """Yield the records of a CSV file (RFC 4180), the first row of which names the columns."""
    csv.field_size_limit(_MAX_CELL)
    rows = csv.reader(_lines(file, params, chunk_bytes), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    places: dict[str, int] = {}
    line = 0
    try:
        for row in rows:
            line, begun = rows.line_num, line + 1
            if not row:  # a blank line
                continue
            if header is None:
                header, places = row, {column: row.index(column) for column in choose(row, file.name)}
                continue
            if len(row) != len(header):
                raise CorpusError(
                    f"{file.name}: line {begun}: has {len(row)} cells, and there are {len(header)} columns"
                )
            yield {column: row[place] for column, place in places.items()}
    except csv.Error as error:
        raise CorpusError(
            f"{file.name}: line {line + 1}: the row that begins there is damaged: {error} (line {rows.line_num}); "
            "a quote in a quoted cell is written twice"
        ) from None


def _lines(file: TextFile, params: DataParams, chunk_bytes: int) -> Iterator[str]:
    """Yield the lines of a file, each with its line feed."""
    splitter = Splitter("\n")
    for text in read_file(file, params, chunk_bytes):
        for line in splitter.feed(text):
            yield line + "\n"
    if last := splitter.finish():
        yield last


def _json_lines(file: TextFile, params: DataParams, choose: _Choose, chunk_bytes: int) -> Iterator[Row]:
    """Yield the records of a file of JSON objects, one a line; each has every column that is chosen."""
    for number, line in enumerate(_lines(file, params, chunk_bytes), start=1):
        line = line.strip()
        if not line:
            continue
        where = f"{file.name}: line {number}"
        try:
            record = json.loads(line, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            raise CorpusError(f"{where}: is not JSON: {error.msg} at column {error.colno}") from None
        except (ValueError, RecursionError) as error:  # NaN, a number too long, too many brackets
            raise CorpusError(f"{where}: is not JSON: {one_line(str(error))}") from None
        if not isinstance(record, dict):
            raise CorpusError(f"{where}: must be a JSON object, in braces, got {_shown(line)}")
        yield {column: record[column] for column in choose(list(record), where)}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _parquet(file: TextFile, params: DataParams, choose: _Choose, chunk_bytes: int) -> Iterator[Row]:
    """Yield the records of a Parquet file; only the columns that are chosen are read, some rows at a time."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise CorpusError(
            f"{file.name}: reading Parquet needs pyarrow, which is not installed: pip install pyarrow"
        ) from None
    try:
        with parquet.ParquetFile(file.path) as table:
            chosen = choose(table.schema_arrow.names, file.name)
            for batch in table.iter_batches(_PARQUET_ROWS, columns=list(chosen)):
                yield from batch.to_pylist()
    except UnicodeDecodeError:
        raise _no_text(file) from None
    except (OverflowError, LookupError) as error:  # a date beyond Python's range, an unknown time zone
        raise CorpusError(f"{file.name}: has a value that cannot be written as text: {one_line(str(error))}") from None
    except (ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise explain(error, "read", file.path) from error
        raise CorpusError(f"{file.name}: is not a Parquet file, or is damaged: {one_line(str(error))}") from None


def _no_text(file: TextFile) -> CorpusError:
    return CorpusError(f"{file.name}: a value is neither text nor bytes of UTF-8 text")


def _as_text(value: Any) -> str:
    """Return a value as a document has it: text as it is, nothing for null, else as JSON or Python writes it."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool() | int() | float() | list() | dict():
            return json.dumps(value, ensure_ascii=False, default=str)
        case bytes():
            return value.decode("utf-8")
    return str(value)


_Reader = Callable[[TextFile, DataParams, _Choose, int], Iterator[Row]]
_FORMATS: dict[str, _Reader] = {
    ".csv": partial(_delimited, delimiter=","),
    ".tsv": partial(_delimited, delimiter="\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}
