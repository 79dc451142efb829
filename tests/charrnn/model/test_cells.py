"""One table says all that depends on the cell."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from charrnn.config.schema import ModelParams
from charrnn.model.cells import CELLS

PROJECT = Path(__file__).parents[3]
MAY_NAME_CELLS = {"charrnn/model/cells.py", "charrnn/config/schema.py"}


def test_the_cells_that_can_be_asked_for_are_those_of_the_table() -> None:
    assert get_args(ModelParams.model_fields["cell"].annotation) == tuple(CELLS)


def test_the_schema_is_read_without_torch() -> None:
    program = "import sys, charrnn.config.schema; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT).returncode == 0


@pytest.mark.parametrize("folder", ["charrnn", "tasks", "flows"])
def test_nothing_else_names_a_cell(folder: str) -> None:
    found = []
    for path in (PROJECT / folder).rglob("*.py"):
        place = path.relative_to(PROJECT).as_posix()
        if place in MAY_NAME_CELLS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in CELLS:
                found.append(f"{place}:{node.lineno}")
    assert found == []
