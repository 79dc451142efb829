"""What `make bench` does when it cannot measure, and the table it writes. What it measures is never a test."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from benchmarks import runner
from benchmarks.runner import Bench, Figure, NotMeasuredError, keep, need_memory, need_quiet
from charrnn.config.loading import PROJECT


def bench(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "benchmarks", "--print-only", *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    return done.returncode, done.stderr


def figure(row: str, reached: bool | None = True) -> Figure:
    return Figure(row, f"what {row} is", "<= 1", f"figure of {row}", reached)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    page = tmp_path / "performance.md"
    page.write_text(f"Before.\n{runner.BEGIN}\nold\n{runner.END}\nAfter.\n")
    monkeypatch.setattr(runner, "PAGE", page)
    monkeypatch.setattr(runner, "RESULTS", tmp_path / "results.json")
    return page


def test_a_missing_corpus_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    code, told = bench("--corpus", str(tmp_path / "none.txt"))
    assert (code, told) == (2, f"error: --corpus {tmp_path}/none.txt: No such file or directory\n")


@pytest.mark.parametrize("rows", ["99", "4,nine", "0"])
def test_rows_that_do_not_exist_are_told(tmp_path: Path, rows: str) -> None:
    (tmp_path / "text.txt").write_text("text")
    code, told = bench("--corpus", str(tmp_path / "text.txt"), "--rows", rows)
    assert code == 2
    assert told.startswith("error: --rows must be among 1, 2, 3,")
    assert told.endswith(f"got {rows}\n")


@pytest.mark.parametrize(("option", "what"), [("makemore", "a file"), ("pyppmd", "a file"), ("texts", "a folder")])
def test_what_rows_run_beside_or_on_has_to_be_there(tmp_path: Path, option: str, what: str) -> None:
    (tmp_path / "text.txt").write_text("text")
    code, told = bench("--corpus", str(tmp_path / "text.txt"), f"--{option}", str(tmp_path / "none"))
    assert (code, told) == (2, f"error: --{option} {tmp_path}/none: must be {what}\n")


def test_nothing_is_measured_while_others_keep_the_machine_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 50.0)
    with pytest.raises(NotMeasuredError, match=r"keep the machine busy \(50%"):
        need_quiet()
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 5.0)
    need_quiet()


def test_nothing_is_measured_with_too_little_memory() -> None:
    need_memory(0.001)
    with pytest.raises(NotMeasuredError, match="needs 1e\\+06 GB of free memory"):
        need_memory(1e6)


def test_a_target_for_the_published_corpus_is_not_compared_with_another(tmp_path: Path) -> None:
    with pytest.raises(NotMeasuredError, match="needs tinyshakespeare"):
        Bench(tmp_path / "text.txt", tmp_path, sha256="another").need_published()


def test_the_table_has_the_rows_in_order_and_the_newest_of_each(page: Path) -> None:
    keep([figure("13"), figure("5 (2x128 B50 T50)", reached=None), figure("4 (3x512)", reached=False)])
    keep([figure("1"), Figure("13", "again", "<= 1", "newer", True)])
    text = page.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("\nAfter.\n")
    rows = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")]
    assert rows[1:] == ["1", "4 (3x512)", "5 (2x128 B50 T50)", "13"]
    assert "| 13 | again | <= 1 | newer | reached |" in text
    assert "| figure of 4 (3x512) | missed |" in text
    assert "old" not in text
    assert "All measured on " in text
    assert set(json.loads(runner.RESULTS.read_text())["1"]["on"]) >= {"measured on", "processor", "torch", "python"}


@pytest.mark.parametrize(("multiplies", "end"), [(True, " with bfloat16"), (False, "")])
def test_a_figure_names_the_instructions_of_the_processor(
    multiplies: bool, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": multiplies})
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert runner.machine()["processor"].endswith(f"cores, AVX2{end}")
