"""Row 23: the whole command is timed."""

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.runner import Bench
from tests.texts import made_up_play


def test_a_report_is_made_and_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "TRAINING_SECONDS", 0.5)
    (tmp_path / "play.txt").write_text(made_up_play(20_000), encoding="utf-8")
    (figure,) = report.measure(Bench(corpus=tmp_path / "play.txt", folder=tmp_path, sha256=""))
    assert (figure.row, figure.target) == ("23", "<= 10 s")
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!doctype html>")
    assert figure.figure.endswith(f" s, {(tmp_path / 'report.html').stat().st_size / 1e6:.1f} MB")


def test_a_report_that_takes_longer_is_a_miss() -> None:
    assert [report.figure(taken, 10**6).reached for taken in (9.9, 10.1)] == [True, False]
