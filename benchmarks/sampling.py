"""Rows 8 and 9: characters a second, one text, also against a plain loop around nn.LSTM, and many."""

import statistics

import torch

from benchmarks.models import untrained, vocabulary
from benchmarks.plain import PlainLSTM, plain_sample
from benchmarks.runner import Bench, Figure, alternate, seconds, threads
from charrnn.config.sampling_options import SamplingOptions
from charrnn.generation.sampling import sample, sample_many

LENGTHS = {128: 3000, 256: 2000, 512: 800}
TEXTS, TEXT_LENGTH = 128, 400
PAIRS = 5
TARGET_SIZE, TARGET_LENGTH, TARGET_SPEED = 512, 4000, 9000


def measure(bench: Bench) -> list[Figure]:
    model = untrained(128, num_layers=2)
    options = [SamplingOptions(length=TEXT_LENGTH, seed=seed) for seed in range(TEXTS)]
    many = statistics.median(seconds(lambda: sample_many(model, vocabulary(), options)) for _ in range(PAIRS))
    speed = TEXTS * TEXT_LENGTH / many
    what = f"sampling {TEXTS} texts at once, 2 layers of 128"
    all_at_once = Figure("9", what, ">= 100,000 characters/s", f"{speed:,.0f} characters/s", speed >= 100_000)
    against = [_one_text(hidden_size, length) for hidden_size, length in LENGTHS.items()]
    return [*against, _alone(), all_at_once]


def _alone() -> Figure:
    model, options = untrained(TARGET_SIZE, num_layers=2), SamplingOptions(length=TARGET_LENGTH)
    known = vocabulary()
    taken = statistics.median(seconds(lambda: sample(model, known, options)) for _ in range(PAIRS))
    speed = TARGET_LENGTH / taken
    return Figure(
        f"8 ({TARGET_SIZE}, alone)",
        f"sampling one text, 2 layers of {TARGET_SIZE}",
        f">= {TARGET_SPEED:,} characters/s",
        f"{speed:,.0f} characters/s",
        speed >= TARGET_SPEED,
    )


def _one_text(hidden_size: int, length: int) -> Figure:
    known = vocabulary()
    model, options = untrained(hidden_size, num_layers=2), SamplingOptions(length=length)
    plain = PlainLSTM(known.size, hidden_size, num_layers=2)

    def slowly() -> float:
        """With one thread or all of them, whichever is faster."""
        taken = []
        for number in {1, torch.get_num_threads()}:
            with threads(number):
                taken.append(seconds(lambda: plain_sample(plain, length)))
        return min(taken)

    slow, fast, ratio = alternate(slowly, lambda: seconds(lambda: sample(model, known, options)), PAIRS)
    return Figure(
        f"8 ({hidden_size})",
        f"sampling one text, 2 layers of {hidden_size}, against a plain nn.LSTM loop",
        ">= 5 x",
        f"{ratio:.1f} x ({length / fast:,.0f} characters/s against {length / slow:,.0f})",
        ratio >= 5,
    )
