"""Sweeps: what a second worker is worth, and what pruning saves (two minutes, and about six).

Both sweeps of a row have the same random seed, and their trials a thread each where not said otherwise: the same values
give the same curve.
"""

import time

from benchmarks.pipelines import HALVES, overrides
from benchmarks.runner import Bench, Figure, NotMeasuredError
from charrnn.training.cores import usable_cores
from flows.sweep import Swept, sweep

MODEL = ("model.hidden_size=128", "training.max_minutes=null", "evaluation.every_seconds=null")
# Trials that cost the same, however they are chosen.
SEEDS, SEED_TRIALS, SEED_STEPS = "training.seed: {low: 1, high: 1000}\n", 4, 3000
# Trials of which many are bad.
RATES = """
training.learning_rate: {low: 0.0003, high: 0.1, log: true}
training.beta1: {low: 0.5, high: 0.95}
model.embedding_size: [16, 64]
"""
RATE_TRIALS, RATE_STEPS = 16, 4000
WORKERS = 2
FASTER, SHARE, WORSE = 1.7, 0.5, 0.01


def measure(bench: Bench) -> list[Figure]:
    if usable_cores() < WORKERS:
        raise NotMeasuredError(f"needs {WORKERS} cores")
    rows = {25: _workers, 26: _pruning}
    return [measure_row(bench) for row, measure_row in rows.items() if not bench.rows or row in bench.rows]


def _workers(bench: Bench) -> Figure:
    steps = f"training.max_steps={SEED_STEPS}"
    alone = _sweep(bench, "alone", SEEDS, SEED_TRIALS, 1, "none", steps, f"training.threads={WORKERS}")
    together = _sweep(bench, "together", SEEDS, SEED_TRIALS, WORKERS, "none", steps, "training.threads=1")
    hourly = [3600 * SEED_TRIALS / seconds for _, seconds in (alone, together)]
    ratio = hourly[1] / hourly[0]
    return Figure(
        "25",
        f"trials per hour of a sweep: {WORKERS} workers with a thread each against one with {WORKERS} threads",
        f">= {FASTER} x",
        f"{ratio:.2f} x ({hourly[1]:.0f} against {hourly[0]:.0f}, trials of {SEED_STEPS:,} steps)",
        ratio >= FASTER,
    )


def _pruning(bench: Bench) -> Figure:
    changes = (f"training.max_steps={RATE_STEPS}", f"evaluation.every_steps={RATE_STEPS // 10}", "training.threads=1")
    whole, whole_seconds = _sweep(bench, "whole", RATES, RATE_TRIALS, WORKERS, "none", *changes)
    pruned, pruned_seconds = _sweep(bench, "pruned", RATES, RATE_TRIALS, WORKERS, "halving", *changes)
    if whole.loss is None or pruned.loss is None:
        raise NotMeasuredError("no trial has finished")
    share, worse = pruned_seconds / whole_seconds, pruned.loss - whole.loss
    return Figure(
        "26",
        f"a sweep of {RATE_TRIALS} trials with pruning (halving) against one without: best val/loss, and time",
        f"at most {WORSE} worse, in at most {SHARE:.0%} of the time",
        f"{pruned.loss:.4f} against {whole.loss:.4f}, in {share:.0%} of {whole_seconds:.0f} s; {pruned.trials}",
        worse <= WORSE and share <= SHARE,
    )


def _sweep(
    bench: Bench, name: str, space: str, trials: int, workers: int, pruner: str, *changes: str
) -> tuple[Swept, float]:
    """Return what came of a sweep in a store of its own, and how long it took (s)."""
    folder = bench.folder / name
    folder.mkdir()
    path = folder / "space.yaml"
    path.write_text(space, encoding="utf-8")
    own = Bench(bench.corpus, folder, bench.sha256)
    started = time.perf_counter()
    swept = sweep(
        space=str(path),
        trials=trials,
        workers=workers,
        pruner=pruner,
        overrides=[*overrides(own), *HALVES, *MODEL, *changes],
    )
    return swept, time.perf_counter() - started
