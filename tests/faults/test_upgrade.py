"""A run that was stopped goes on after the program has changed, as long as the data are the same."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.config.loading import PROJECT
from charrnn.training.checkpoint import load_checkpoint
from tests.faults.ledger import record
from tests.workplace import Workplace

PACKAGES = ("charrnn", "tasks", "flows")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the program that may be changed."""
    folder = tmp_path / "the program"
    for name in (*PACKAGES, "params"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "pyproject.toml", "prefect.toml"):
        shutil.copy(PROJECT / name, folder / name)
    return folder


def run(project: Path, workplace: Workplace, *arguments: str, stop_at: str = "") -> tuple[int, str]:
    """Run the pipeline of `project`, with Ctrl-C at the first line of the log with `stop_at`; return code and log."""
    process = subprocess.Popen(
        [sys.executable, str(project / "flows" / "pipeline.py"), *arguments],
        cwd=project,
        env={**workplace.environment(), "PYTHONPATH": str(project)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    try:
        assert process.stderr
        for line in process.stderr:
            lines.append(line)
            if stop_at and re.search(stop_at, line):
                process.send_signal(signal.SIGINT)
                stop_at = ""
        return process.wait(), "".join(lines)
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(600)
def test_a_run_goes_on_after_every_module_was_edited(project: Path, workplace: Workplace) -> None:
    options = ["--params", str(project / "params" / "smoke.yaml"), *workplace.places]
    code, log = run(project, workplace, *options, "--set", "training.max_steps=1000000", stop_at="^  step +20 ")
    assert code == 130, log
    (run_id,) = workplace.runs()
    last = workplace.data_folder / "checkpoints" / run_id / "last.ckpt"
    stopped_at = load_checkpoint(last).step

    modules = [path for name in PACKAGES for path in (project / name).rglob("*.py")]
    assert len(modules) > 50
    for path in modules:
        path.write_text(path.read_text(encoding="utf-8") + "# A comment.\n", encoding="utf-8")

    where = ["--set", f"tracking.uri={workplace.uri}", "--resume", run_id]
    code, log = run(project, workplace, *where, "--set", f"training.max_steps={stopped_at + 20}")
    assert code == 0, log
    assert "prepared earlier" in log
    assert f"goes on from step {stopped_at}" in log
    assert workplace.client.get_run(run_id).info.status == "FINISHED"
    assert load_checkpoint(last).step == stopped_at + 20
    record("every module edited between two parts of a run", survived=True)
