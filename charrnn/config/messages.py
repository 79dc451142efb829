"""Mistakes in parameters, each in one line: what was found and what is allowed, in words; credentials redacted."""

import difflib
import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from charrnn.config.redaction import redact
from charrnn.config.schema import Params
from charrnn.errors import ParamsError
from charrnn.undecodable import escaped

RULES = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_unicode": "must be Unicode text",
    "string_pattern_mismatch": "must not contain NUL",
    "string_too_short": "must not be empty",
    "tuple_type": "must be a list",
    "too_short": "must not be an empty list",
    "dict_type": "must be a map",
    "model_type": "must be a map of parameters",
    "model_attributes_type": "must be a map of parameters",
}


def dotted(location: Sequence[int | str]) -> str:
    """Return the place that pydantic gives for a value as a key, such as `training.learning_rate`."""
    return ".".join(str(part) for part in location if part != "[key]")


def explain(error: ErrorDetails) -> str:
    """Turn one of pydantic's complaints into one line."""
    location, kind, found = error["loc"], error["type"], error["input"]
    if kind == "extra_forbidden":
        return f"unknown parameter{suggestion([str(part) for part in location])}"
    if kind == "value_error":
        message = str(error["ctx"]["error"])
        return message if isinstance(found, Mapping | BaseModel) else f"{message}, got {show(found)}"
    limits = {
        "greater_than": "> {gt:g}",
        "greater_than_equal": ">= {ge:g}",
        "less_than": "< {lt:g}",
        "less_than_equal": "<= {le:g}",
    }
    if kind in limits:
        limit = limits[kind].format(**error["ctx"]).replace(f"{2**63:g}", "2^63")
        return f"must be {limit}, got {show(found)}"
    if kind == "literal_error":
        return f"must be {error['ctx']['expected']}, got {show(found)}"
    return f"{RULES.get(kind, error['msg'])}, got {show(found)}"


def suggestion(path: list[str]) -> str:
    """Return a hint at the key that the unknown `path` may mean: one of this name in any section, or a similar one."""
    sections = {section: list(content) for section, content in Params().model_dump().items()}
    # A name that two sections have means that of the training, such as training.seed, or else of the first section.
    order = ["training", *sections]
    by_name = {name: f"{section}.{name}" for section in reversed(order) for name in sections[section]}
    here = sections.get(path[0], []) if len(path) > 1 else list(sections)
    close = [by_name[path[-1]]] if path[-1] in by_name else []
    if not close:
        close = [".".join([*path[:-1], name]) for name in difflib.get_close_matches(path[-1], here, n=1, cutoff=0.6)]
    if not close:
        close = [by_name[name] for name in difflib.get_close_matches(path[-1], by_name, n=1, cutoff=0.75)]
    return f"; did you mean {close[0]}?" if close else "; see docs/parameters.md for those there are"


def params_error(message: str) -> ParamsError:
    """Return the error on one line, without credentials, whatever keys and values it quotes."""
    line = "".join(character if character.isprintable() else " " for character in escaped(message))
    return ParamsError(redact(line))


def show(value: object) -> str:
    """Return `value` as JSON for a message: at most 80 characters, credentials redacted."""
    text = redact(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 80 else text[:77] + "..."
