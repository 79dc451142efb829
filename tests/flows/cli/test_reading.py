"""Commands that only read, in a folder where nothing has been trained: they say so and make nothing."""

from pathlib import Path

import pytest

from tests.workplace import captured

NO_RUN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, and the only one that a command could write to."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        f"sample {NO_RUN}",
        "sample last",
        "sample charrnn",
        "sample charrnn@champion",
        "sample --run last",
        "sample --model charrnn/1",
        "compare",
        f"compare {NO_RUN}",
        "prune",
        "prune --delete",
        "promote charrnn 1",
    ],
)
def test_a_command_that_reads_makes_no_store(fresh: Path, command: str) -> None:
    uri = f"sqlite:///{fresh}/mlruns/mlflow.db"
    answer = captured(*command.split(), "--set", f"tracking.uri={uri}", "--set", f"data.directory={fresh}/data")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: ")
    assert uri in answer.err
    assert "is not there yet" in answer.err
    assert list(fresh.iterdir()) == []


@pytest.mark.parametrize(
    "command", ["sync", f"sync {NO_RUN}", "train --dry-run", "params", "train --resume x --dry-run"]
)
def test_a_command_that_needs_no_store_makes_none(fresh: Path, command: str) -> None:
    uri = f"sqlite:///{fresh}/mlruns/mlflow.db"
    answer = captured(*command.split(), "--set", f"tracking.uri={uri}", "--set", f"data.directory={fresh}/data")
    assert answer.code == 0
    assert list(fresh.iterdir()) == []
