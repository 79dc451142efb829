"""Reads Parquet files; needs pyarrow, which is optional."""

from typing import Any

import numpy as np

from charrnn.config.redaction import one_line
from charrnn.config.schema import DataParams
from charrnn.data.records.row import Choose, Rows
from charrnn.data.records.values import no_text
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
            kinds = {column: schema.field(column).type for column in chosen}
            # pyarrow takes a name with a dot for the path to a part of a column, too.
            wanted = None if any("." in column for column in chosen) else list(chosen)
            for batch in table.iter_batches(_ROWS, columns=wanted):
                for row in batch.select(list(chosen)).to_pylist():
                    yield file.name, {column: _short(value, kinds[column]) for column, value in row.items()}
    except UnicodeDecodeError:
        raise no_text(file.name) from None
    except CorpusError:
        raise
    except (ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise explain(error, "read", file.path) from error
        raise CorpusError(f"{file.name}: is not a Parquet file, or is damaged: {one_line(str(error))}") from None
    # A date beyond Python's range, an unknown time zone, a field that a struct has twice.
    except (OverflowError, LookupError, ValueError) as error:
        raise CorpusError(f"{file.name}: has a value that cannot be written as text: {one_line(str(error))}") from None


def _short(value: Any, kind: Any) -> Any:
    """Return `value`, of the `kind` that pyarrow names, its short floats as those of 64 bits with as few digits."""
    match value:
        case float() if short := _SHORT_FLOATS.get(str(kind)):
            return float(str(short(value)))
        case dict():
            return {key: _short(item, kind.field(key).type) for key, item in value.items()}
        case list() if hasattr(kind, "item_type"):  # a map, as pairs
            return [(_short(key, kind.key_type), _short(item, kind.item_type)) for key, item in value]
        case list():
            return [_short(item, kind.value_type) for item in value]
    return value
