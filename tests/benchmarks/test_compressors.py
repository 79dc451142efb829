"""What a compressor takes for the end of a text, and what is said where there is none."""

import math
import sys
from pathlib import Path

import pytest

from benchmarks.compressors import compressor_losses, extra_loss
from benchmarks.runner import Bench


def test_only_the_end_of_a_text_counts_by_its_characters_not_its_bytes() -> None:
    text = "a" * 900 + "ш" * 100
    assert extra_loss(len, text, cut=900) == pytest.approx(2 * 8 * math.log(2))


def test_compressors_that_are_not_installed_have_no_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "text.txt"
    text.write_text("To be, or not to be. " * 50, encoding="utf-8")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "pyppmd.py").write_text("raise ModuleNotFoundError('pyppmd')")
    bench = Bench(text, tmp_path, sha256="", pyppmd=Path(sys.executable))
    assert compressor_losses(bench) == {"PPMd": None, "zpaq -m5": None}
