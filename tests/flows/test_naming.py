"""What messages tell a person to type: what he called, `charrnn` or a script."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.config.loading import PROJECT, load_params
from flows.naming import sync_command, typed


def test_a_command_is_typed_as_charrnn() -> None:
    assert typed("train") == "charrnn train"


@pytest.mark.parametrize(("name", "script"), [("train", "pipeline.py"), ("sync", "sync.py")])
def test_scripts_name_scripts(name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(PROJECT / "flows" / "prune.py")])
    assert typed(name) == f"python flows/{script}"


def test_the_command_names_the_folder_where_that_is_not_the_usual_one(tmp_path: Path) -> None:
    assert sync_command(Path(load_params().data.directory)) == "charrnn sync"
    assert sync_command(tmp_path / "a b") == f"charrnn sync --set 'data.directory={tmp_path}/a b'"


@pytest.mark.parametrize("name", ["d\udcef", "d\udcef'\\ $x", "d\udcef \u0434"])
def test_a_shell_reads_the_folder_back_whatever_its_bytes(name: str) -> None:
    command = sync_command(Path("/there") / name).removeprefix("charrnn sync --set ")
    assert command.isprintable()
    done = subprocess.run(["bash", "-c", f"printf %s {command}"], capture_output=True, check=True)
    assert done.stdout == os.fsencode(f"data.directory=/there/{name}")
