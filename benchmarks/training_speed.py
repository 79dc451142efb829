"""Row 4: training in the pipeline, with everything on, against a bare nn.LSTM loop of the same shape."""

import statistics

import torch

from benchmarks.pipelines import encoded, run_pipeline, training_clock, windows
from benchmarks.plain import LEARNING_RATE, PlainLSTM, plain_train
from benchmarks.runner import Bench, Figure, seconds

# layers, hidden_size, batch_size, seq_length; how long the pipeline trains (s), and how often. The last is slow: the
# evaluations in the beginning and in the end count as in a training of a realistic length.
SHAPES = ((2, 128, 50, 50, 60.0, 2), (2, 256, 32, 64, 60.0, 2), (3, 512, 50, 50, 300.0, 1))
BARE_SECONDS = 20.0


def measure(bench: Bench) -> list[Figure]:
    return [_compare(bench, *shape) for shape in SHAPES]


def _compare(
    bench: Bench, layers: int, hidden_size: int, batch_size: int, seq_length: int, long_enough: float, times: int
) -> Figure:
    params, dataset = encoded(bench)
    ids = torch.from_numpy(dataset.splits(params.splits).ids("train")[:])
    pieces, size = windows(ids, batch_size, seq_length), dataset.vocabulary().size

    def bare(steps: int) -> float:
        """Characters a second."""
        torch.manual_seed(1)
        model = PlainLSTM(size, hidden_size, layers)
        return steps * batch_size * seq_length / seconds(lambda: plain_train(model, pieces, steps))

    bare(5)
    a_second = bare(20) / (batch_size * seq_length)
    steps, bare_steps = (max(20, round(length * a_second)) for length in (long_enough, BARE_SECONDS))
    changes = [
        f"model.num_layers={layers}",
        f"model.hidden_size={hidden_size}",
        "model.embedding_size=null",
        f"training.batch_size={batch_size}",
        f"training.seq_length={seq_length}",
        "training.precision=float32",
        # The bare loop's: the default is that of a small model, with which a large one does not train.
        f"training.learning_rate={LEARNING_RATE}",
        f"training.max_steps={steps}",
        "training.max_minutes=null",
    ]
    plain = [bare(bare_steps)]
    with training_clock() as taken:
        for _ in range(times):
            run_pipeline(bench, *changes)
            plain.append(bare(bare_steps))
    fast, slow = times * steps * batch_size * seq_length / sum(taken), statistics.mean(plain)
    shape = f"{layers}x{hidden_size}"
    return Figure(
        f"4 ({shape})",
        f"training in the pipeline for {long_enough:.0f} s, {shape} B{batch_size} T{seq_length}, against a bare loop",
        ">= 97 %",
        f"{fast / slow:.0%} ({fast:,.0f} characters/s against {slow:,.0f})",
        fast / slow >= 0.97,
    )
