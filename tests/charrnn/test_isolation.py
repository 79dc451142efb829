"""The library and its tests know neither Prefect nor MLflow, and its first words load nothing slow."""

import subprocess
import sys

import pytest

from charrnn.config.loading import PROJECT

ABOVE_THE_LIBRARY = {"flows", "mlflow", "prefect", "tasks"}
SLOW = {"numpy", "pandas", "torch"}

IMPORT_ONE = """
importlib.import_module(sys.argv[1])
"""

IMPORT_EVERYTHING = """
import charrnn

for module in pkgutil.walk_packages(charrnn.__path__, "charrnn."):
    importlib.import_module(module.name)
"""

COLLECT_TESTS = """
import pytest

assert pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", "tests/charrnn"]) == pytest.ExitCode.OK
"""


def loaded(script: str, *arguments: str) -> set[str]:
    """Run a script in a process of its own; return the packages it has loaded, this project's and others."""
    script = f"import importlib, pkgutil, sys\n{script}\nprint()\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    packages = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "charrnn" in packages
    return packages


def test_no_module_of_the_library_loads_what_is_above_it() -> None:
    assert loaded(IMPORT_EVERYTHING) & ABOVE_THE_LIBRARY == set()


def test_no_test_of_the_library_loads_what_is_above_it() -> None:
    assert loaded(COLLECT_TESTS) & ABOVE_THE_LIBRARY == set()


@pytest.mark.parametrize("module", ["charrnn", "charrnn.errors", "charrnn.config.loading"])
def test_what_reads_parameters_and_says_what_is_wrong_loads_nothing_slow(module: str) -> None:
    assert loaded(IMPORT_ONE, module) & SLOW == set()
