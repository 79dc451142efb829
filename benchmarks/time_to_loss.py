"""Row 1: how long until the loss is good, against a transformer trained beside it with the same threads."""

import statistics

import torch

from benchmarks.pipelines import HALVES, curves, encoded, overlay, run_pipeline
from benchmarks.runner import Bench, Curve, Figure, NotMeasuredError
from benchmarks.seeds import SEEDS
from benchmarks.transformer import PUBLISHED_LOSS, train_reference

TOLERANCE = 0.03
TARGET = 35
# The share of the transformer's time that our runs are planned for. On a slow processor it grows, as the three seconds
# of the overlay would not.
PLANNED = 1 / 24
# The curve needs points near the loss; each costs time, which counts. Without the sample that goes with an evaluation,
# and on fewer characters than an evaluation reads else: the whole split is what counts at the end.
OFTEN = (
    "evaluation.every_seconds=0.3",
    "evaluation.max_share=1",
    "evaluation.max_characters=20000",
    "evaluation.sample_length=0",
)


def measure(bench: Bench) -> list[Figure]:
    bench.need_published()
    params, dataset = encoded(bench, *HALVES)
    splits, size = dataset.splits(params.splits), dataset.vocabulary().size
    ids, val_ids = (torch.from_numpy(splits.ids(name)[:]).long() for name in ("train", "val"))
    before = train_reference(ids, val_ids, size)
    if abs(before.loss - PUBLISHED_LOSS) > TOLERANCE:
        raise NotMeasuredError(f"the transformer ends at {before.loss:.4f}, too far from {PUBLISHED_LOSS}")
    changes = (*OFTEN, f"training.max_minutes={before.seconds * PLANNED / 60:.4f}")
    with curves() as found:
        runs = [run_pipeline(bench, f"training.seed={seed}", *changes, overlays=(overlay("fast"),)) for seed in SEEDS]
    after = train_reference(ids, val_ids, size)
    ends = [run.scores["val"].loss for run in runs]
    theirs = (before.seconds + after.seconds) / 2
    return [against_transformer(found, ends, theirs, before.loss)]


def against_transformer(found: list[Curve], ends: list[float], theirs: float, their_loss: float) -> Figure:
    """Return the figure of the mean of the times at which curves pass the published loss.

    Args:
        found: a curve of each run.
        ends: of each run, the loss of its best checkpoint on the whole validation split (nats per character), which
            shows that the part of it on which a curve's points are was no luck.
        theirs: the transformer's training time (s).
        their_loss: at its end (nats per character).
    """
    times = [passed(curve, PUBLISHED_LOSS) for curve in found]
    words = ", ".join(f"{loss:.3f}" for loss in ends)
    beside = f"at the end val {words}; the transformer {their_loss:.3f} after {theirs:.0f} s"
    reached = [time for time in times if time is not None]
    if len(reached) < len(times):
        figure, ratio = f"{len(reached)} of {len(times)} runs reach it ({beside})", 0.0
    else:
        mean = statistics.mean(reached)
        ratio = theirs / mean
        figure = f"1/{ratio:.1f} ({mean:.2f} s: {', '.join(f'{time:.2f}' for time in reached)}; {beside})"
    return Figure(
        "1",
        f"training time to val <= {PUBLISHED_LOSS}, against the whole of nanoGPT's CPU configuration, "
        f"which ends there, mean of {len(times)} seeds",
        f"<= 1/{TARGET}",
        figure,
        ratio >= TARGET and max(ends) <= PUBLISHED_LOSS,
    )


def passed(curve: Curve, loss: float) -> float | None:
    """Return the time of the first evaluation that is not above `loss` (s); None where there is none."""
    return next((time for time, found in curve if found <= loss), None)
