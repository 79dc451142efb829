"""Runs that differ in their random seed alone, and the figures that are the mean of their losses."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from mlflow import MlflowClient

from benchmarks.pipelines import overlay, run_pipeline
from benchmarks.runner import Bench, Figure

SEEDS = (1, 2, 3)
# By how much the last optimizer step and what follows it may exceed the time.
SLACK = 1.01


@dataclass(frozen=True)
class SeedRun:
    """What one run reached on the validation split (nats per character) and how long it trained (s).

    `adaptive` is None where the run left it out, since it would have taken longer than `evaluation.adaptive_seconds`.
    """

    static: float
    adaptive: float | None
    seconds: float


def train_seeds(bench: Bench, name: str, *changes: str) -> list[SeedRun]:
    """Run the overlay `name` with each of the random seeds."""
    runs = []
    for seed in SEEDS:
        summary = run_pipeline(bench, f"training.seed={seed}", *changes, overlays=(overlay(name),))
        metrics = MlflowClient(tracking_uri=summary.run.uri).get_run(summary.run.run_id).data.metrics
        loss, adaptive = summary.scores["val"].loss, metrics.get("val/adaptive_loss")
        runs.append(SeedRun(loss, adaptive, summary.training.seconds))
    return runs


def static_figure(row: str, runs: list[SeedRun], minutes: int, target: float) -> Figure:
    losses, longest = [run.static for run in runs], max(run.seconds for run in runs)
    mean = statistics.mean(losses)
    what = f"val loss after {minutes} minutes of training, mean of {len(runs)} seeds"
    figure = f"{mean:.4f} ({_each(losses)}; {longest:.0f} s)"
    return Figure(row, what, f"<= {target}", figure, mean <= target and longest <= minutes * 60 * SLACK)


def adaptive_figure(
    row: str, runs: list[SeedRun], minutes: int, target: float, peers: Mapping[str, float | None] | None = None
) -> Figure:
    """Return the figure of the losses of models that learn as they read.

    Args:
        row: see `Figure`.
        runs: what was measured.
        minutes: how long each trained.
        target: the most that the mean may be; it has to be below each of the peers, too.
        peers: name -> loss of what it is compared with; None for one that is not installed, so that it is not
            known whether the target is reached, unless it is missed anyway.
    """
    peers = peers or {}
    beside = f" ({' and '.join(peers)} beside it)" if peers else ""
    what = (
        f"the same models learning as they read (adaptive_loss; {minutes} minutes), mean of {len(runs)} seeds{beside}"
    )
    wanted = f"<= {target}{', below both' if peers else ''}"
    theirs = [f"{name} {'not installed' if loss is None else f'{loss:.3f}'}" for name, loss in peers.items()]
    losses = [run.adaptive for run in runs if run.adaptive is not None]
    if len(losses) < len(runs):
        figure = "; ".join(["none, would have taken longer than evaluation.adaptive_seconds", *theirs])
        return Figure(row, what, wanted, figure, False)
    mean = statistics.mean(losses)
    figure = f"{mean:.4f} ({'; '.join([_each(losses), *theirs])})"
    below = mean <= target and all(mean < loss for loss in peers.values() if loss is not None)
    return Figure(row, what, wanted, figure, None if below and None in peers.values() else below)


def _each(losses: list[float]) -> str:
    return ", ".join(f"{loss:.4f}" for loss in losses)
