"""Rows 3 and 19: the losses that a quarter of an hour buys."""

from benchmarks.runner import Bench, Figure
from benchmarks.seeds import adaptive_figure, static_figure, train_seeds


def measure(bench: Bench) -> list[Figure]:
    bench.need_published()
    runs = train_seeds(bench, "best")
    return [static_figure("3", runs, minutes=15, target=1.39), adaptive_figure("19", runs, minutes=15, target=1.21)]
