"""The table of what was injected, after a long run (see `ledger.FACTOR`)."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.faults.ledger import FACTOR, LEDGER, table
from tests.workplace import Workplace


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FACTOR > 1 and LEDGER:
        terminalreporter.section("faults injected")
        terminalreporter.write("\n".join(table()) + "\n")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store with its tables, which take MLflow seconds to make, and no run."""
    path = tmp_path_factory.mktemp("an empty store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}")
    return path


@pytest.fixture
def workplace(workplace: Workplace, empty_store: Path) -> Workplace:
    store = workplace.folder / "runs here" / "mlflow.db"
    store.parent.mkdir()
    shutil.copy(empty_store, store)
    return workplace
