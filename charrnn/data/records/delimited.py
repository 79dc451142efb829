"""Reads CSV and TSV files (RFC 4180), the first row of which names the columns. Cells are text: nothing is a number.

What separates the cells of a CSV file, its header says: Excel writes semicolons where the comma is the decimal sign.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from charrnn.config.schema import DataParams
from charrnn.data.decoding import CHUNK_BYTES
from charrnn.data.records.lines import read_lines
from charrnn.data.records.row import Choose, Rows
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError

CSV_DELIMITERS, TSV_DELIMITERS = ",;\t", "\t"
"""What may separate cells; of those that a header has equally often, the first does."""
_MAX_CELL = 2**27
"""Longest cell (characters): where a quote is missing, all that follows would be one cell."""
_QUOTED = re.compile(r'"[^"]*(?:"|$)')


@dataclass(frozen=True)
class Header:
    """The first row of a file.

    Attributes:
        columns: their names, in order.
        delimiter: what separates cells.
        line: the row begins there (from 1).
    """

    columns: tuple[str, ...]
    delimiter: str
    line: int

    @property
    def told(self) -> str:
        """Where the columns are from, for a message."""
        return f" (as line {self.line} names them, separated by {self.delimiter!r})"


def read_delimited(file: TextFile, params: DataParams, choose: Choose, chunk_bytes: int, delimiters: str) -> Rows:
    """Yield the rows of `file`, as every `Reader`; one of `delimiters` separates its cells."""
    header, rows = _open(file, params, chunk_bytes, delimiters)
    if header is None:
        return
    columns = header.columns
    places = {column: columns.index(column) for column in choose(columns, file.name, header.told)}
    for line, row in rows:
        if len(row) != len(columns):
            raise CorpusError(
                f"{file.name}: line {line}: has {len(row)} {'cell' if len(row) == 1 else 'cells'}, and there are "
                f"{len(columns)} columns{header.told}"
            )
        yield f"{file.name}: line {line}", {column: row[place] for column, place in places.items()}


def read_header(file: TextFile, params: DataParams, delimiters: str) -> Header | None:
    """Return the header of `file`; None where it has no row. Raises as `read_delimited`."""
    return _open(file, params, CHUNK_BYTES, delimiters)[0]


def delimiter_of(line: str, delimiters: str) -> str:
    """Return which of `delimiters` occurs most often in `line` outside of quotes; in a tie, the first of them."""
    outside = _QUOTED.sub("", line)
    return max(delimiters, key=outside.count)


def _open(
    file: TextFile, params: DataParams, chunk_bytes: int, delimiters: str
) -> tuple[Header | None, Iterator[tuple[int, list[str]]]]:
    """Return the header of `file`, and the rows after it, each with the line that it begins in."""
    lines = read_lines(file, params, chunk_bytes)
    first = list[str]()  # blank lines, and the first that is none
    for line in lines:
        first.append(line)
        if line.strip("\r\n"):
            break
    delimiter = delimiter_of("".join(first[-1:]), delimiters)
    rows = _rows(chain(first, lines), delimiter, file.name)
    for number, cells in rows:
        return Header(tuple(cells), delimiter, number), rows
    return None, rows


def _rows(lines: Iterator[str], delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_MAX_CELL)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 0
    try:
        for row in rows:
            line, begun = rows.line_num, line + 1
            if row:  # else a blank line
                yield begun, row
    except csv.Error as error:
        raise CorpusError(
            f"{name}: line {line + 1}: the row that begins there is damaged: {_problem(str(error), rows.line_num)}"
        ) from None


def _problem(problem: str, line: int) -> str:
    """Return what is wrong, in which line it was seen, and what puts it right."""
    if problem.startswith("new-line character seen in unquoted field"):
        return f"it has a CR without a line feed (line {line}); data.newline = unix takes it for a line end"
    return f"{problem} (line {line}); a quote in a quoted cell is written twice"
