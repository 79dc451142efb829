"""Reads files of JSON objects, one a line."""

import json
from collections import Counter
from typing import Any

from charrnn.config.redaction import one_line
from charrnn.config.schema import DataParams
from charrnn.data.records.lines import read_lines
from charrnn.data.records.row import Choose, Rows
from charrnn.data.records.template import shown
from charrnn.data.records.values import Number
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError


class _RepeatedKeyError(ValueError):
    """An object has a key twice, of which Python would silently take the last."""


def read_json_lines(file: TextFile, params: DataParams, choose: Choose, chunk_bytes: int) -> Rows:
    """Yield the objects of `file`, as every `Reader`; each must have every column that is chosen."""
    decoder = json.JSONDecoder(
        parse_float=Number, parse_int=Number, parse_constant=_no_constant, object_pairs_hook=_as_object
    )
    for number, line in enumerate(read_lines(file, params, chunk_bytes), start=1):
        line = line.strip()
        if not line:
            continue
        where = f"{file.name}: line {number}"
        try:
            record = decoder.decode(line)
        except json.JSONDecodeError as error:
            raise CorpusError(f"{where}: is not JSON: {error.msg} at column {error.colno}") from None
        except _RepeatedKeyError as error:
            raise CorpusError(f"{where}: {error}") from None
        except (ValueError, RecursionError) as error:  # NaN, too many brackets
            raise CorpusError(f"{where}: is not JSON: {one_line(str(error))}") from None
        if not isinstance(record, dict):
            raise CorpusError(f"{where}: must be a JSON object, in braces, got {shown(line)}")
        yield where, {column: record[column] for column in choose(list(record), where, "")}


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        key, times = Counter(key for key, _ in pairs).most_common(1)[0]
        raise _RepeatedKeyError(f"has the key {shown(key)} {times} times in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")
