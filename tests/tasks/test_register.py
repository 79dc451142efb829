"""What a registered model asks for where it is served."""

import subprocess
import sys

from charrnn.config.loading import PROJECT
from tasks.register import REQUIREMENTS

IMPORTS = """
import ast, sys
from importlib.metadata import packages_distributions
from pathlib import Path
import charrnn.serving

found = set()
for name, module in list(sys.modules.items()):
    if name.partition(".")[0] == "charrnn":
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found.update(names + [node.module] if isinstance(node, ast.ImportFrom) else names)
packages = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names) - {"charrnn"}
print(*sorted(packages_distributions()[name][0].lower() for name in packages))
"""


def test_a_registered_model_asks_for_all_that_its_code_imports_and_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], cwd=PROJECT, capture_output=True, text=True, check=True)
    # pydantic_core comes with pydantic, which pins it.
    assert sorted({*done.stdout.split()} - {"pydantic_core"}) == sorted(REQUIREMENTS)
