"""Row 4: training in the pipeline, with everything on, against a bare nn.LSTM loop of the same shape."""

import torch

from benchmarks.models import PlainLSTM, plain_train
from benchmarks.pipelines import encoded, run_pipeline, windows
from benchmarks.runner import Bench, Figure, alternate, seconds
from charrnn.dataset import split
from flows.temporary_server import temporary_server

# layers, hidden_size, batch_size, seq_length
SHAPES = ((2, 128, 50, 50), (2, 256, 32, 64), (3, 512, 50, 50))
LONG_ENOUGH = 30.0
PAIRS = 2


def measure(bench: Bench) -> list[Figure]:
    with temporary_server():
        return [_compare(bench, *shape) for shape in SHAPES]


def _compare(bench: Bench, layers: int, hidden_size: int, batch_size: int, seq_length: int) -> Figure:
    params, dataset = encoded(bench)
    ids = torch.from_numpy(split(dataset.length, params.splits).select(dataset.ids(), "train"))
    pieces, size = windows(ids, batch_size, seq_length), dataset.vocabulary().size

    def bare(steps: int) -> float:
        torch.manual_seed(1)
        model = PlainLSTM(size, hidden_size, layers)
        return seconds(lambda: plain_train(model, pieces, steps))

    bare(5)
    steps = max(20, round(LONG_ENOUGH / bare(20) * 20))
    changes = [
        f"model.num_layers={layers}",
        f"model.hidden_size={hidden_size}",
        "model.embedding_size=null",
        f"training.batch_size={batch_size}",
        f"training.seq_length={seq_length}",
        f"training.max_steps={steps}",
        "training.max_minutes=null",
    ]
    slow, fast, ratio = alternate(lambda: bare(steps), lambda: run_pipeline(bench, *changes).training.seconds, PAIRS)
    characters, shape = steps * batch_size * seq_length, f"{layers}x{hidden_size}"
    return Figure(
        f"4 ({shape})",
        f"training in the pipeline, {shape} B{batch_size} T{seq_length}, against a bare loop",
        ">= 95 %",
        f"{ratio:.0%} ({characters / fast:,.0f} characters/s against {characters / slow:,.0f})",
        ratio >= 0.95,
    )
