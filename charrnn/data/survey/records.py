"""What the columns of CSV, TSV, JSON lines and Parquet files look like. Decides no template."""

import csv
import io
import itertools
import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from charrnn.config.redaction import one_line
from charrnn.data.survey.reading import MOST_BYTES
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError

MOST_ROWS = 100_000
"""Rows looked at."""
PARQUET = "Parquet"
_JSON_LINES = "JSON lines"
_DELIMITERS = {"CSV": ",", "TSV": "\t"}
_FORMATS = {".csv": "CSV", ".tsv": "TSV", ".jsonl": _JSON_LINES, ".ndjson": _JSON_LINES, ".parquet": PARQUET}

Row = dict[str, str]
"""Column -> value as text, '' where it is none."""


@dataclass(frozen=True)
class Column:
    """A column, as far as it was read.

    Attributes:
        name: as the file has it.
        regular: whether every record has it, once.
        filled: share of rows where it is not empty (0 to 1).
        numeric: share of its values that are numbers (0 to 1).
        mean: length of a value (characters).
        median: length of the middle value (characters).
        ninetieth: nine in ten values are at most this long (characters).
        longest: (characters).
        distinct: different values (count).
        commonest: the value that occurs most often.
    """

    name: str
    regular: bool
    filled: float
    numeric: float
    mean: float
    median: int
    ninetieth: int
    longest: int
    distinct: int
    commonest: str


@dataclass(frozen=True)
class Table:
    """Records, as far as they were read.

    Attributes:
        format: CSV, TSV, JSON lines or Parquet.
        rows: read (count).
        columns: in the order of the files.
    """

    format: str
    rows: int
    columns: tuple[Column, ...]


def record_format(files: Sequence[TextFile]) -> str | None:
    """Return the format of records that the names of all `files` have; None where they do not have one."""
    formats = {_FORMATS.get(file.suffix) for file in files}
    return formats.pop() if len(formats) == 1 else None


def table_of_text(texts: Sequence[str], form: str) -> Table:
    """Return what the columns of `texts`, each the beginning of a file, look like."""
    read = _json_rows if form == _JSON_LINES else _csv_rows(form)
    return _table(form, itertools.chain.from_iterable(map(read, texts)))


def table_of_parquet(files: Sequence[TextFile]) -> tuple[Table, int]:
    """Return what the columns of `files` look like, and how many rows they have.

    Raises:
        CorpusError: a file is damaged, or pyarrow is not installed.
    """
    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise CorpusError(f"{files[0].name}: Parquet files need pyarrow: pip install pyarrow") from None
    total, rows = 0, list[Row]()
    read = 0
    for file in files:
        try:
            with parquet.ParquetFile(file.path) as opened:
                total += opened.metadata.num_rows
                for batch in opened.iter_batches(batch_size=1000):
                    if len(rows) >= MOST_ROWS or read >= MOST_BYTES:
                        break
                    rows += [_row(record) for record in batch.to_pylist()]
                    read += batch.nbytes
        # What pyarrow raises is one of the first two; a date beyond the range of Python, an unknown time zone.
        except (OSError, ValueError, OverflowError, LookupError) as error:
            raise CorpusError(f"{file.name}: is no Parquet file: {one_line(str(error))}") from None
    return _table(PARQUET, rows), total


def _csv_rows(form: str) -> Callable[[str], Iterator[Row]]:
    def rows(text: str) -> Iterator[Row]:
        csv.field_size_limit(max(csv.field_size_limit(), MOST_BYTES))
        records = filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=_DELIMITERS[form]))
        header = next(records, [])
        # A name that several columns have names none of them.
        names = {name: place for place, name in enumerate(header) if header.count(name) == 1}
        for record in records:
            yield {name: record[place] for name, place in names.items() if place < len(record)}

    return rows


def _json_rows(text: str) -> Iterator[Row]:
    """Yield the objects in `text`; what is none is an error when the text is encoded, with its line."""
    for line in text.split("\n"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield _row(record)


def _row(record: dict[str, Any]) -> Row:
    return {name: str(value) if isinstance(value, str | int | float) else "" for name, value in record.items()}


def _table(form: str, rows: Iterable[Row]) -> Table:
    taken = list(itertools.islice(rows, MOST_ROWS))
    names = dict.fromkeys(name for row in taken for name in row)
    return Table(form, len(taken), tuple(_column(name, [row.get(name) for row in taken]) for name in names))


def _column(name: str, values: Sequence[str | None]) -> Column:
    filled = Counter(value for value in values if value and value.strip())
    count = filled.total()
    lengths = sorted(len(value) for value in filled.elements()) or [0]
    return Column(
        name=name,
        regular=None not in values,
        filled=count / len(values),
        numeric=sum(filled[value] for value in filled if _is_number(value)) / max(count, 1),
        mean=statistics.fmean(lengths),
        median=lengths[(len(lengths) - 1) // 2],
        ninetieth=lengths[int(0.9 * (len(lengths) - 1))],
        longest=lengths[-1],
        distinct=len(filled),
        commonest=filled.most_common(1)[0][0] if filled else "",
    )


def _is_number(value: str) -> bool:
    try:
        float(value.replace(",", ""))
    except ValueError:
        return False
    return True
