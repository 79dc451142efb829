"""Reads Parquet files; needs pyarrow, which is optional."""

from typing import Any

import numpy as np

from charrnn.config.redaction import one_line
from charrnn.config.schema import DataParams
from charrnn.data.records.row import Choose, Rows
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError
from charrnn.files import explain

_ROWS = 64
"""Rows that are read at once."""
_SHORT_FLOATS: dict[str, type[np.floating[Any]]] = {"float": np.float32, "halffloat": np.float16}
"""Types of columns, as pyarrow names them, whose numbers Python writes with digits that they do not have."""


def read_parquet(file: TextFile, params: DataParams, choose: Choose, chunk_bytes: int) -> Rows:
    """Yield the rows of `file`, as every `Reader`; only the columns that are chosen are read, some rows at a time.

    A number has no spelling there: an integer is written in digits, a float with as many as tell it apart.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise CorpusError(
            f"{file.name}: reading Parquet needs pyarrow, which is not installed: pip install pyarrow"
        ) from None
    try:
        with parquet.ParquetFile(file.path) as table:
            schema = table.schema_arrow
            chosen = choose(schema.names, file.name, "")
            kinds = {column: _SHORT_FLOATS.get(str(schema.field(column).type)) for column in chosen}
            for batch in table.iter_batches(_ROWS, columns=list(chosen)):
                for row in batch.to_pylist():
                    yield file.name, {column: _short(value, kinds[column]) for column, value in row.items()}
    except (OverflowError, LookupError) as error:  # a date beyond Python's range, an unknown time zone
        raise CorpusError(f"{file.name}: has a value that cannot be written as text: {one_line(str(error))}") from None
    except (ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise explain(error, "read", file.path) from error
        raise CorpusError(f"{file.name}: is not a Parquet file, or is damaged: {one_line(str(error))}") from None


def _short(value: Any, kind: type[np.floating[Any]] | None) -> Any:
    """Return `value`, if it is of a short `kind` of floats, as the one of 64 bits that is written as shortly."""
    return value if kind is None or value is None else float(str(kind(value)))
