"""Row 5: the bare step against the time its matrix products alone take."""

import statistics
from functools import partial

import torch
from torch import Tensor

from benchmarks.attempts import measure_attempts
from benchmarks.pipelines import encoded
from benchmarks.runner import Bench, Figure, seconds
from charrnn.data.streams import Streams
from charrnn.training.device import computing
from charrnn.training.loop import train
from charrnn.training.state import new_state

# layers, hidden_size, batch_size, seq_length
SHAPES = ((2, 128, 50, 50), (1, 256, 16, 48), (3, 512, 50, 50))
STEPS = {128: 100, 256: 150, 512: 10}
REPEATS = 5


def measure(bench: Bench) -> list[Figure]:
    figures = []
    for shape in SHAPES:
        whole, parts = _times(bench, *shape)
        ratio = statistics.median(part / all_ for part, all_ in zip(parts, whole, strict=True))
        milliseconds = f"{1e3 * statistics.median(parts):.1f} ms of {1e3 * statistics.median(whole):.1f}"
        layers, hidden_size, batch_size, seq_length = shape
        name = f"{layers}x{hidden_size} B{batch_size} T{seq_length}"
        what = f"matrix products alone against the step, {name}"
        figures.append(
            Figure(f"5 ({name})", what, "as near to 100 % as it goes", f"{ratio:.0%} ({milliseconds})", None)
        )
    return [*figures, *measure_attempts()]


def _times(
    bench: Bench, layers: int, hidden_size: int, batch_size: int, seq_length: int
) -> tuple[list[float], list[float]]:
    """Return the time of a step and that of its matrix products (s), measured in turn."""
    params, dataset = encoded(
        bench,
        f"model.num_layers={layers}",
        f"model.hidden_size={hidden_size}",
        f"training.batch_size={batch_size}",
        f"training.seq_length={seq_length}",
        "training.max_minutes=null",
        "training.max_steps=1",
        "training.precision=float32",
        "training.log_every=1000",
    )
    cpu, steps = torch.device("cpu"), STEPS[hidden_size]
    ids = dataset.splits(params.splits).ids("train")[:]
    streams, size = Streams(ids, batch_size, seq_length, cpu), dataset.vocabulary().size
    state = new_state(params.model, params.training, size, streams.batch_size, cpu)
    products = _Products(layers, hidden_size, batch_size, seq_length, params.model.embedding_size or size, size)

    def some(until: int) -> None:
        limited = params.training.model_copy(update={"max_steps": until})
        for _ in train(state, streams, None, params.model_copy(update={"training": limited})):
            pass

    whole, parts = [], []
    with computing(params.training):
        for number in range(1, REPEATS + 2):
            whole.append(seconds(partial(some, number * steps)) / steps)
            parts.append(seconds(lambda: [products.run() for _ in range(steps)]) / steps)
    return whole[1:], parts[1:]


class _Products:
    """The matrix products of one step, forward and backward, and nothing else."""

    def __init__(self, layers: int, hidden: int, batch: int, length: int, inputs: int, outputs: int) -> None:
        def some(*shape: int) -> Tensor:
            return torch.randn(*shape)

        self.length = length
        self.h, self.gates = some(batch, hidden), some(batch, 4 * hidden)
        self.w = some(4 * hidden, hidden)
        self.all_h, self.all_gates = some(length * batch, hidden), some(length * batch, 4 * hidden)
        self.layers = [(some(4 * hidden, inputs if layer == 0 else hidden), layer > 0) for layer in range(layers)]
        self.all_x = some(length * batch, inputs)
        self.out, self.all_out = some(outputs, hidden), some(length * batch, outputs)

    @torch.inference_mode()
    def run(self) -> None:
        for weight, deeper in self.layers:
            x = self.all_h if deeper else self.all_x
            x @ weight.t()
            for _ in range(self.length):
                self.h @ self.w.t()
                self.gates @ self.w
            self.all_gates.t() @ self.all_h
            self.all_gates.t() @ x
            self.all_gates @ weight
        self.all_h @ self.out.t()
        self.all_out @ self.out
        self.all_out.t() @ self.all_h
