"""Row 3: the best loss that half an hour buys."""

from benchmarks.pipelines import overlay, run_pipeline
from benchmarks.runner import Bench, Figure

TARGET = 1.4697
SEEDS = (1, 2, 3)


def measure(bench: Bench) -> list[Figure]:
    bench.need_published()
    runs = [run_pipeline(bench, f"training.seed={seed}", overlays=(overlay("best"),)) for seed in SEEDS]
    losses = [run.scores["val"].loss for run in runs]
    longest = max(run.training.seconds for run in runs)
    figure = f"{', '.join(f'{loss:.4f}' for loss in losses)} ({longest / 60:.1f} minutes)"
    reached = max(losses) <= TARGET and longest <= 30 * 60
    return [Figure("3", "best val loss within 30 minutes of training", f"<= {TARGET}", figure, reached)]
