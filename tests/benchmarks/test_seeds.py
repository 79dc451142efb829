"""The figures of runs that differ in their random seed, and what is read from the runs."""

from pathlib import Path

import pytest

from benchmarks import seeds
from benchmarks.pipelines import curves
from benchmarks.runner import Bench
from benchmarks.seeds import SeedRun, adaptive_figure, static_figure, train_seeds
from tests.texts import made_up_play

RUNS = [SeedRun(1.42, 1.24, 117.0), SeedRun(1.46, 1.27, 118.0), SeedRun(1.43, 1.26, 117.0)]


def test_a_mean_counts_beside_each_of_its_losses() -> None:
    figure = static_figure("2", RUNS, minutes=2, target=1.44)
    assert figure.figure == "1.4367 (1.4200, 1.4600, 1.4300; 118 s)"
    assert figure.reached
    assert not static_figure("2", RUNS, minutes=2, target=1.43).reached


def test_a_low_loss_after_too_long_a_training_does_not_count() -> None:
    late = [*RUNS, SeedRun(1.0, 1.0, 122.0)]
    assert not static_figure("2", late, minutes=2, target=1.44).reached


@pytest.mark.parametrize(
    ("target", "zpaq", "reached"), [(1.26, 1.307, True), (1.26, 1.25, False), (1.25, 1.307, False)]
)
def test_learning_as_it_reads_has_to_be_below_the_target_and_the_peers(
    target: float, zpaq: float, reached: bool
) -> None:
    figure = adaptive_figure("18", RUNS, minutes=2, target=target, peers={"PPMd": 1.404, "zpaq -m5": zpaq})
    assert figure.figure == f"1.2567 (1.2400, 1.2700, 1.2600; PPMd 1.404; zpaq -m5 {zpaq:.3f})"
    assert figure.reached is reached


def test_a_peer_that_is_not_installed_is_named_beside_our_loss() -> None:
    figure = adaptive_figure("18", RUNS, minutes=2, target=1.26, peers={"PPMd": None, "zpaq -m5": 1.307})
    assert "1.2567 (" in figure.figure
    assert "PPMd not installed; zpaq -m5 1.307" in figure.figure


@pytest.mark.parametrize(
    ("target", "zpaq", "reached"), [(1.26, 1.307, None), (1.26, 1.25, False), (1.25, 1.307, False)]
)
def test_whether_a_target_is_reached_is_not_known_without_a_peer_unless_it_is_missed_anyway(
    target: float, zpaq: float, reached: bool | None
) -> None:
    figure = adaptive_figure("18", RUNS, minutes=2, target=target, peers={"PPMd": None, "zpaq -m5": zpaq})
    assert figure.reached is reached


def test_a_run_without_an_adaptive_loss_misses_the_row() -> None:
    figure = adaptive_figure("19", [*RUNS, SeedRun(1.4, None, 117.0)], minutes=15, target=1.26)
    assert figure.figure == "none, would have taken longer than evaluation.adaptive_seconds"
    assert figure.reached is False


@pytest.mark.usefixtures("api_url")
def test_losses_and_curve_are_those_of_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "SEEDS", (1, 2))
    text = tmp_path / "it's a play.txt"
    text.write_text(made_up_play(20_000), encoding="utf-8")
    with curves() as found:
        runs = train_seeds(Bench(text, tmp_path, sha256=""), "smoke")
    assert len(runs) == len(found) == 2
    assert runs[0].static != runs[1].static
    for run, curve in zip(runs, found, strict=True):
        times, losses = zip(*curve, strict=True)
        assert list(times) == sorted(times)
        assert times[-1] == pytest.approx(run.seconds, abs=0.5)
        assert len(losses) == 3  # params/smoke.yaml: every 20 of 60 steps
        assert min(losses) == pytest.approx(run.static, abs=0.1)
        assert run.adaptive is not None
        assert run.adaptive < run.static
