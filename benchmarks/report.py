"""Row 23: how long `charrnn report` takes for a default model, and whether it stays within its budget."""

import time

import charrnn
from benchmarks.pipelines import overrides
from benchmarks.runner import Bench, Figure, NotMeasuredError
from charrnn.config.schema import ReportParams
from flows.cli.app import run

# Time depends on the shape of the model and on the text, not on what the model has learnt.
TRAINING_SECONDS = 15.0
TARGET_SECONDS = 10.0


def measure(bench: Bench) -> list[Figure]:
    changes = overrides(bench)
    model = bench.folder / "model.ckpt"
    charrnn.fit(bench.corpus, max_minutes=TRAINING_SECONDS / 60, overrides=changes, progress=False).save(model)
    page = bench.folder / "report.html"
    settings = [part for change in changes for part in ("--set", change)]
    started = time.perf_counter()
    code = run([str(model), "--output", str(page), *settings], "report")
    taken = time.perf_counter() - started
    if code:
        raise NotMeasuredError(f"charrnn report ended with code {code}")
    return [figure(taken, page.stat().st_size)]


def figure(taken: float, size: int) -> Figure:
    """Return the figure of a report of `size` bytes that took so long (s), from the command line to the file."""
    budget = ReportParams().seconds
    return Figure(
        "23",
        f"report of a default model, with a budget of {budget:g} s: from the command to the page",
        f"<= {TARGET_SECONDS:g} s",
        f"{taken:.1f} s, {size / 1e6:.1f} MB",
        taken <= TARGET_SECONDS,
    )
