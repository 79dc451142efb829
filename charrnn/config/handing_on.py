"""Parameters as the `key=value` overrides that make them of others: how they reach a process on another machine."""

import json
from typing import Any

import yaml

from charrnn.config.loading import AS_IT_IS
from charrnn.config.redaction import redact
from charrnn.config.schema import Params
from charrnn.errors import ParamsError


def as_overrides(params: Params, base: Params) -> list[str]:
    """Return the overrides with which `load_params` makes `params` of `base`.

    Raises:
        ParamsError: one of them would show credentials where processes and their arguments are listed.
    """
    before, now = base.model_dump(mode="json"), params.model_dump(mode="json")
    overrides: list[str] = []
    for section, content in now.items():
        for name, value in content.items():
            if value == before[section][name]:
                continue
            key = f"{section}.{name}"
            text = value if isinstance(value, str) and key in AS_IT_IS else _written(value)
            if redact(text) != text:
                raise ParamsError(f"{key}: has credentials, which would be shown where processes are listed")
            overrides.append(f"{key}={text}")
    return overrides


def _written(value: Any) -> str:
    """Return `value` as YAML on one line, texts in double quotes: without them, some would be read as other things."""
    items = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
    if not items or not all(isinstance(item, str) for item in items):
        return json.dumps(value)
    text: str = yaml.safe_dump(
        value, default_style='"', default_flow_style=True, allow_unicode=True, width=float("inf")
    )
    return text.strip()
