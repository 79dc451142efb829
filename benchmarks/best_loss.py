"""Row 3: the best loss that half an hour buys."""

from benchmarks.pipelines import overlay, run_pipeline
from benchmarks.runner import Bench, Figure
from flows.temporary_server import temporary_server

TARGET = 1.4697


def measure(bench: Bench) -> list[Figure]:
    bench.need_published()
    with temporary_server():
        run = run_pipeline(bench, overlays=(overlay("best"),))
    loss = run.scores["val"].loss
    figure = f"{loss:.4f} ({run.training.seconds / 60:.1f} minutes)"
    return [Figure("3", "val loss after 30 minutes of training", f"<= {TARGET}", figure, loss <= TARGET)]
