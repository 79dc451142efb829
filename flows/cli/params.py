"""`charrnn params`: the resolved parameters, or the documentation of some of them."""

import json
from typing import Annotated

import typer

from charrnn.config.loading import load_params
from charrnn.config.reference import entries
from charrnn.config.writing import redacted_values, to_yaml
from flows.cli.command import Overlays, Overrides

EXAMPLES = [
    ("--params params/gpu.yaml", "all of them, as a run with this overlay takes them"),
    ("training.learning_rate model.cell", "default, allowed values and reason of two"),
    ("sampling", "of a whole section"),
]


def params(
    *,
    keys: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY",
            default_factory=list,
            show_default=False,
            help="A parameter or a section; none: all, as YAML.",
        ),
    ],
    overlays: Overlays,
    overrides: Overrides,
) -> int:
    """Print the resolved parameters, or default, allowed values and description of some of them."""
    resolved = load_params(overlays, overrides)
    if not keys:
        print(to_yaml(resolved), end="")
        return 0
    values = redacted_values(resolved)
    for entry in [entry for key in keys for entry in entries(key)]:
        section, _, name = entry.key.partition(".")
        print(f"{entry.key}\n  value    {json.dumps(values[section][name], ensure_ascii=False)}")
        print(f"  default  {entry.default}\n  allowed  {entry.allowed.replace('`', '')}\n  {entry.description}")
    return 0
