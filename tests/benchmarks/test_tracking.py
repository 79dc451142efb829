"""What tracking costs is measured in a real run, whose parts are watched where the pipeline has them."""

from pathlib import Path

import pytest

from benchmarks import tracking
from benchmarks.runner import Bench
from tests.texts import made_up_play


@pytest.mark.usefixtures("api_url")
def test_the_cost_of_tracking_is_a_share_of_a_real_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "play.txt"
    text.write_text(made_up_play(20_000), encoding="utf-8")
    model, limits = ("model.hidden_size=32",), ("training.max_steps=20", "training.max_minutes=null")
    short = (*model, *limits, "evaluation.adaptive_seconds=0")
    monkeypatch.setattr(tracking, "CHANGES", short)
    (figure,) = tracking.measure(Bench(text, tmp_path, sha256=""))
    assert figure.row == "13"
    share, waited = float(figure.figure.split("%")[0]), float(figure.figure.split("(")[1].split(" s")[0])
    assert share > 0
    assert waited > 0  # checkpoints and metrics are always written
