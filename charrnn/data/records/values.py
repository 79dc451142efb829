"""Values of JSON and Parquet as text: what is a number in a file is written as it stands there."""

import json
from decimal import Decimal
from typing import Any

from charrnn.errors import CorpusError


class Number(str):
    """A number as JSON has it, such as 1.50: `json` would make a float of it, which is written 1.5."""

    __slots__ = ()


def as_text(value: Any) -> str:
    """Return a value as a document has it: text as it is, nothing for null, else as JSON or Python writes it.

    Raises:
        UnicodeDecodeError: it is bytes, or has some in it, that are no UTF-8.
        RecursionError: it has too many lists or maps in each other.
    """
    match value:
        case str():
            return value
        case None:
            return ""
        case bytes():
            return value.decode("utf-8")
        case bool() | int() | float() | list() | tuple() | dict():
            return _as_json(value)
    return str(value)


def no_text(where: str) -> CorpusError:
    """Return the error of a value that `as_text` cannot decode."""
    return CorpusError(f"{where}: a value is neither text nor bytes of UTF-8 text")


def _as_json(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{_quoted(key)}: {_as_json(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_as_json, value)) + "]"
        case Number() | Decimal():
            return str(value)
        case None | bool() | int() | float():
            return json.dumps(value)
        case bytes():
            return _quoted(value.decode("utf-8"))
    return _quoted(str(value))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
