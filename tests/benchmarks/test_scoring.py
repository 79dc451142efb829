"""The figures of `charrnn score` in its three ways."""

from pathlib import Path

import pytest

import charrnn
from benchmarks.scoring import speeds
from charrnn.evaluation import surprisal
from charrnn.training.checkpoint import load_checkpoint
from tests.texts import made_up_play


def test_each_way_of_scoring_has_its_figure_and_pieces_say_what_they_lose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pieces so short, with so little context, that they lose something.
    monkeypatch.setattr(surprisal, "CONTEXT", 1)
    monkeypatch.setattr(surprisal, "SMALLEST_PIECE", 20)
    text = made_up_play(20_000)
    (tmp_path / "play.txt").write_text(text, encoding="utf-8")
    changes = [f"data.directory={tmp_path}/data", "model.hidden_size=32", "training.max_steps=20"]
    charrnn.fit(tmp_path / "play.txt", overrides=changes, progress=False).save(tmp_path / "model.ckpt")
    trained = load_checkpoint(tmp_path / "model.ckpt")
    exact, fast, dynamic = speeds(trained, text, text[:2_000])
    assert [exact.row, fast.row, dynamic.row] == ["21 (exact)", "21 (fast)", "21 (dynamic)"]
    assert f"scoring {len(text):,} characters" in exact.what
    assert "scoring 2,000 characters" in dynamic.what
    more = float(fast.figure.rpartition("; loss ")[2])
    assert 0 < more < 0.1
