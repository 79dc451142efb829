"""Row 10: what it costs to ask for an evaluation every second, of which `evaluation.max_share` allows some."""

from benchmarks.pipelines import run_pipeline
from benchmarks.runner import Bench, Figure, alternate

STEPS = 3000
PAIRS = 2


def measure(bench: Bench) -> list[Figure]:
    def run(every: int) -> float:
        changes = (f"training.max_steps={STEPS}", "training.max_minutes=null", f"evaluation.every_seconds={every}")
        return run_pipeline(bench, *changes).training.seconds

    _, _, ratio = alternate(lambda: run(1), lambda: run(15), PAIRS)
    what = "training with an evaluation asked for every second, against every 15 s"
    return [Figure("10", what, "<= 110 %", f"{ratio:.1%}", ratio <= 1.10)]
