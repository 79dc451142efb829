"""Writes parameters down, credentials redacted: as YAML, as the flat map that a tracking store records."""

import json
from collections.abc import Callable
from typing import Any

import yaml

from charrnn.config.redaction import redact
from charrnn.config.schema import Params
from charrnn.undecodable import escaped


def flatten(params: Params) -> dict[str, str]:
    """Return dotted key -> value as text, lists and maps as JSON, credentials redacted: what MLflow records."""
    flat: dict[str, str] = {}
    for section, content in redacted_values(params).items():
        for name, value in content.items():
            flat[f"{section}.{name}"] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return flat


def redacted_values(params: Params) -> dict[str, Any]:
    """Return `params` as plain nested values, credentials redacted: what may be written down."""
    values: dict[str, Any] = _changed(params.model_dump(mode="json"), redact)
    return values


def readable_values(params: Params) -> dict[str, Any]:
    """Return the same for JSON, which takes no byte of a name that is no UTF-8: it is an escape."""
    values: dict[str, Any] = _changed(redacted_values(params), escaped)
    return values


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """Return nested `value` with every text in it changed."""
    if isinstance(value, dict):
        return {key: _changed(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_changed(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def to_yaml(params: Params) -> str:
    """Return `params` as YAML, credentials redacted; `load_params` reads it back."""
    text: str = yaml.dump(redacted_values(params), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


class Dumper(yaml.SafeDumper):
    """Writes invisible characters as escapes: PyYAML's other styles lose some of them, such as NEXT LINE."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Return the node of `text`."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


Dumper.add_representer(str, Dumper.represent_text)
