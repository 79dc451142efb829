"""Rows 1 and 2: how long until the loss is good, against a transformer trained beside it with the same threads."""

import statistics

import torch

from benchmarks.pipelines import HALVES, encoded, overlay, run_pipeline
from benchmarks.runner import Bench, Figure, NotMeasuredError
from benchmarks.transformer import PUBLISHED_LOSS, train_reference

SEEDS = (1, 2, 3)
TOLERANCE = 0.03


def measure(bench: Bench) -> list[Figure]:
    bench.need_published()
    figures = [_against_a_transformer(bench)] if 1 in bench.rows else []
    return [*figures, _two_minutes(bench)] if 2 in bench.rows else figures


def _against_a_transformer(bench: Bench) -> Figure:
    params, dataset = encoded(bench, *HALVES)
    splits, size = dataset.splits(params.splits), dataset.vocabulary().size
    ids, val_ids = (torch.from_numpy(splits.ids(name)[:]).long() for name in ("train", "val"))
    before = train_reference(ids, val_ids, size)
    if abs(before.loss - PUBLISHED_LOSS) > TOLERANCE:
        raise NotMeasuredError(f"the transformer ends at {before.loss:.4f}, too far from {PUBLISHED_LOSS}")
    runs = [run_pipeline(bench, f"training.seed={seed}", overlays=(overlay("fast"),)) for seed in SEEDS]
    after = train_reference(ids, val_ids, size)
    losses = [run.scores["val"].loss for run in runs]
    seconds = statistics.median(run.training.seconds for run in runs)
    theirs = (before.seconds + after.seconds) / 2
    ratio = theirs / seconds
    words = ", ".join(f"{loss:.3f}" for loss in losses)
    return Figure(
        "1",
        "training time to val <= 1.8857, against the whole of nanoGPT's CPU configuration, which ends there",
        "<= 1/25",
        f"1/{ratio:.1f} ({seconds:.1f} s against {theirs:.0f} s; val {words} against {before.loss:.3f})",
        ratio >= 25 and max(losses) <= PUBLISHED_LOSS,
    )


def _two_minutes(bench: Bench) -> Figure:
    runs = [run_pipeline(bench, f"training.seed={seed}", overlays=(overlay("tinyshakespeare"),)) for seed in SEEDS]
    losses = [run.scores["val"].loss for run in runs]
    longest = max(run.training.seconds for run in runs)
    words = ", ".join(f"{loss:.4f}" for loss in losses)
    what = "val loss after 2 minutes of training"
    return Figure("2", what, "<= 1.53", f"{words} ({longest:.0f} s)", max(losses) <= 1.53 and longest <= 121)
