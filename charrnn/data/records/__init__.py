"""Reads the rows of tables as documents: CSV, TSV, JSON lines and Parquet, through a template over their columns.

What a file is, its name says. Values are text as they stand in the file: nothing is taken for a number or for missing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from charrnn.config.schema import DataParams
from charrnn.data.decoding import CHUNK_BYTES
from charrnn.data.records.delimited import CSV_DELIMITERS, TSV_DELIMITERS, read_delimited, read_header
from charrnn.data.records.json_lines import read_json_lines
from charrnn.data.records.parquet import read_parquet
from charrnn.data.records.row import Reader, Row
from charrnn.data.records.template import Template, choose, listed
from charrnn.data.records.values import as_text, no_text
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError


@dataclass(frozen=True)
class TableFormat:
    """A format of tables.

    Attributes:
        name: what messages call it.
        read: reads a file of it.
        delimiters: what may separate its cells; the first row of a file then names its columns.
        is_text: whether its files are text files.
    """

    name: str
    read: Reader
    delimiters: str = ""
    is_text: bool = True


_CSV = TableFormat("CSV", partial(read_delimited, delimiters=CSV_DELIMITERS), CSV_DELIMITERS)
_TSV = TableFormat("TSV", partial(read_delimited, delimiters=TSV_DELIMITERS), TSV_DELIMITERS)
_JSON_LINES = TableFormat("JSON lines", read_json_lines)
_PARQUET = TableFormat("Parquet", read_parquet, is_text=False)
_FORMATS = {".csv": _CSV, ".tsv": _TSV, ".jsonl": _JSON_LINES, ".ndjson": _JSON_LINES, ".parquet": _PARQUET}
_PACKED = (".gz", ".xz", ".zip")
"""What follows the suffix of a table in the name of a packed one."""


def is_table(name: str) -> bool:
    """Return whether a file of this name is a table."""
    try:
        return bool(table_suffix(name))
    except CorpusError:
        return False


def table_suffix(name: str) -> str:
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


def table_format(name: str) -> TableFormat:
    """Return the format of the table that is called `name`. Raises as `table_suffix`."""
    return _FORMATS[table_suffix(name)]


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
    columns: tuple[str, ...] = ()
    for where, row in table_format(file.name).read(file, params, partial(choose, template=template), chunk_bytes):
        columns = columns or tuple(row)
        if tuple(row) != columns:  # the only one of each record of the file, without a template
            raise CorpusError(
                f"{where}: has the column {listed(tuple(row))}, and the records before it have {listed(columns)}; "
                "set data.template to the text of a record, with columns in braces"
            )
        document = _document(row, template, where)
        waiting.append(document)
        size += len(document)
        if size >= chunk_bytes:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def read_rows(file: TextFile, params: DataParams, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Row]:
    """Yield the rows of `file` with all columns but those of which several have the same name.

    Raises as `read_records`, except for what it says of the template.
    """
    return (row for _, row in table_format(file.name).read(file, params, _every, chunk_bytes))


def _every(columns: Sequence[str], where: str, told: str) -> tuple[str, ...]:
    return tuple(column for column, count in Counter(columns).items() if count == 1)


def _document(row: Row, template: Template | None, where: str) -> str:
    try:
        record = {column: as_text(value) for column, value in row.items()}
    except UnicodeDecodeError:
        raise no_text(where) from None
    except RecursionError:
        raise CorpusError(f"{where}: a value has too many lists or maps in each other") from None
    return "".join(record.values()) if template is None else template.fill(record)


def headers_taken(files: Sequence[TextFile], params: DataParams, most: int = 3) -> tuple[str, ...]:
    """Return a line for each of the first `most` CSV files: what was taken for its columns, and for what is between.

    The first row is no record: this shows when it should have been. Raises as `read_records`.
    """
    if params.documents != "records":
        return ()
    tables = [file for file in files if table_format(file.name) is _CSV]
    headers = [(file, read_header(file, params, CSV_DELIMITERS)) for file in tables[:most]]
    lines = [f"{file.name}: columns {listed(header.columns)}{header.told}" for file, header in headers if header]
    more = len(tables) - most
    return (*lines, f"and {more:,} more CSV files") if more > 0 else tuple(lines)
