"""Rows 2 and 18: the losses that two minutes buy, against compressors, which learn from a text as they read it."""

from benchmarks.compressors import compressor_losses
from benchmarks.runner import Bench, Figure
from benchmarks.seeds import adaptive_figure, static_figure, train_seeds


def measure(bench: Bench) -> list[Figure]:
    bench.need_published()
    peers = compressor_losses(bench)
    runs = train_seeds(bench, "tinyshakespeare")
    return [
        static_figure("2", runs, minutes=2, target=1.44),
        adaptive_figure("18", runs, minutes=2, target=1.26, peers=peers),
    ]
