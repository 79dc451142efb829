"""What depends on the name of a registry's entry is in the entry: nothing else names it."""

import ast
from collections.abc import Collection
from pathlib import Path

import pytest

from charrnn.evaluation.metrics import METRICS
from charrnn.generation.filters import FILTERS
from charrnn.model.cells import CELLS
from charrnn.training.optimizers import OPTIMIZERS
from charrnn.training.schedules import SCHEDULES

PROJECT = Path(__file__).parents[2]
SCHEMA = "charrnn/config/schema.py"


@pytest.mark.parametrize(
    ("names", "may_name"),
    [
        (CELLS.keys(), ["charrnn/model/cells.py", SCHEMA]),
        # The parameters that `charrnn init` writes for a text are advice, which may name one.
        (OPTIMIZERS.keys(), ["charrnn/training/optimizers.py", "charrnn/advice/sizes.py", SCHEMA]),
        # "step" is also a field of many things.
        (SCHEDULES.keys() - {"step"}, ["charrnn/training/schedules.py", SCHEMA]),
        # "loss" is the metric that training and its curves are about.
        # Columns of scores have the names of what they are.
        (
            METRICS.keys() - {"loss"},
            ["charrnn/evaluation/metrics.py", "charrnn/serving.py", "flows/cli/surprisal_rows.py"],
        ),
        # The command line says what stands for a value in its help.
        (FILTERS.keys(), ["charrnn/generation/filters.py", "flows/cli/sample.py"]),
    ],
    ids=["cells", "optimizers", "schedules", "metrics", "filters"],
)
@pytest.mark.parametrize("folder", ["charrnn", "tasks", "flows"])
def test_nothing_else_names_an_entry(folder: str, names: Collection[str], may_name: list[str]) -> None:
    found = []
    for path in (PROJECT / folder).rglob("*.py"):
        place = path.relative_to(PROJECT).as_posix()
        if place in may_name:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in names:
                found.append(f"{place}:{node.lineno}")
    assert found == []
