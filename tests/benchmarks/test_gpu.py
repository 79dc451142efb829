"""What `make bench-gpu` does with mistakes, with a figure that fails, and where it is cut off."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu import trainings
from benchmarks.gpu.__main__ import main
from benchmarks.gpu.results import Results
from benchmarks.gpu.run import measure_all
from charrnn.config.loading import PROJECT
from tests.texts import made_up_play

BENCH = (sys.executable, "-m", "benchmarks.gpu")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    text = tmp_path / "a play.txt"
    text.write_text(made_up_play(100_000), encoding="utf-8")
    return text


def test_a_mistake_is_told_in_one_line_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "figures.json"
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9")
    short = tmp_path / "short.txt"
    short.write_text("too short")
    mistakes = {
        ("--corpus", str(tmp_path / "none.txt")): f"--corpus {tmp_path}/none.txt: No such file or directory",
        ("--corpus", str(latin)): f"{latin}: is not UTF-8 (unexpected end of data at byte 3)",
        ("--corpus", str(short)): f"{short}: has 9 characters, at least 100,000 are needed",
        ("--parts", "checks,speeed"): "--parts: must be among checks,trainings,speed,precisions,long, got 'speeed'",
        ("--seconds", "0"): "--seconds: must be a number above 0, got 0.0",
    }
    for options, message in mistakes.items():
        monkeypatch.setattr(sys, "argv", ["gpu", "--device", "cpu", "--output", str(output), *options])
        assert main() == 2
        assert capsys.readouterr() == ("", f"error: {message}\n")
    assert not output.exists()


def test_what_is_missing_is_named_with_what_unpacks_it(tmp_path: Path) -> None:
    # -S: without any installed package.
    bare = [sys.executable, "-S", "-m", "benchmarks.gpu", "--output", str(tmp_path / "figures.json")]
    done = subprocess.run(bare, cwd=PROJECT, capture_output=True, text=True)
    message = done.stderr
    assert done.returncode == 2
    assert message.count("\n") == 1
    assert "cannot import torch, numpy, pydantic" in message
    assert "`make bench-gpu-packages BARE_PYTHON=" in message


def test_ctrl_c_before_there_is_a_figure_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.gpu.packages.take", interrupt)
    monkeypatch.setattr(sys, "argv", ["gpu", "--output", str(tmp_path / "figures.json")])
    assert main() == 130
    assert capsys.readouterr().err == f"stopped; figures that were made are in {tmp_path}/figures.json\n"


def test_a_figure_that_fails_and_one_without_time_leave_the_others(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    results = Results(path, {"device": "none"}, seconds=60.0)

    def fail() -> dict[str, object]:
        raise RuntimeError("CUDA error: an illegal memory access\nmore of it")

    results.make("one", 1.0, fail)
    results.make("two", 100.0, dict)
    results.make("three", 1.0, lambda: {"characters/s": 7})
    before = json.loads(path.read_text())
    assert before["finished"] is False
    assert before["figures"]["one"]["error"] == "RuntimeError: CUDA error: an illegal memory access"
    assert before["figures"]["three"]["characters/s"] == 7
    assert before["left_out"] == {"two": "needs about 100 s, 60 s were left"}
    assert json.loads(results.finish()) == json.loads(path.read_text())
    assert json.loads(path.read_text())["finished"] is True


def test_a_run_that_is_killed_leaves_the_figures_that_it_had(tmp_path: Path, corpus: Path) -> None:
    path = tmp_path / "figures.json"
    options = ("--corpus", str(corpus), "--device", "cpu", "--quick", "--output", str(path))
    process = subprocess.Popen([*BENCH, *options], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        while not (path.exists() and json.loads(path.read_text())["figures"]):
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.kill()
        process.communicate()
    left = json.loads(path.read_text())
    assert left["finished"] is False
    assert left["figures"]["peak"]["TFLOP/s"]["float32"] > 0
    assert left["about"]["text"].startswith("sha256 ")


def test_a_rehearsal_on_a_cpu_has_figures_of_the_parts_asked_for(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.gpu.speed.QUICK_SECONDS", 0.01)
    parts = ["speed", "long"]
    whole = json.loads(measure_all(corpus, tmp_path / "figures.json", "cpu", 300.0, parts, quick=True))
    assert not whole["left_out"]
    assert not [name for name, figure in whole["figures"].items() if "error" in figure]
    speed = whole["figures"]["speed 2x32 B4 T16"]
    assert speed["characters/s"].keys() == {"loop", "bare"}
    training = whole["figures"]["training 300 s"]
    assert training["best loss"] == min(loss for _, loss in training["curve (s, nats per character)"])
    assert training[f"time to {trainings.TARGET} (s)"] == "is for tinyshakespeare"
