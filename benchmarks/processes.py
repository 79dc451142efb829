"""Row 27: two processes of one thread each that train together, against one process with two threads, the same streams.

Both make the steps of the pipeline's own loop, in turn; the one that is not measured waits. No target is set:
the figure says whether several processes are worth it on the cores of one machine.
"""

import time

import torch

from benchmarks.pipelines import encoded
from benchmarks.runner import Bench, Figure, alternate, threads
from charrnn.config.schema import Params
from charrnn.training.device import computing
from charrnn.training.processes import joined
from charrnn.training.session import Session, new_session
from charrnn.training.step import make_step

CPU = torch.device("cpu")
# Layers, hidden_size, batch_size and seq_length: the default, and that of params/best.yaml.
SHAPES = ((1, 256, 16, 48), (2, 384, 32, 64))
BLOCK_SECONDS, PAIRS = 5.0, 7


def measure(bench: Bench) -> list[Figure]:
    return [_compare(bench, *shape) for shape in SHAPES]


def _compare(bench: Bench, layers: int, hidden_size: int, batch_size: int, seq_length: int) -> Figure:
    changes = [
        f"model.num_layers={layers}",
        f"model.hidden_size={hidden_size}",
        f"training.batch_size={batch_size}",
        f"training.seq_length={seq_length}",
    ]
    alone_params, dataset = encoded(bench, *changes)
    params, _ = encoded(bench, *changes, "training.processes=2")
    with threads(2):
        alone = new_session(dataset, alone_params, CPU)
        with computing(params.training):
            together = new_session(dataset, params, CPU)
            with joined(together, dataset, params):
                several, one, ratio = alternate(
                    lambda: _speed(together, params, 1), lambda: _speed(alone, alone_params, 2), PAIRS
                )
    return Figure(
        f"27 ({layers}x{hidden_size})",
        f"training with 2 processes of one thread, {layers}x{hidden_size} B{batch_size} T{seq_length}, against one "
        "process with 2 threads",
        "",
        f"{ratio:.2f} times ({several:,.0f} characters/s against {one:,.0f})",
        None,
    )


def _speed(session: Session, params: Params, number: int) -> float:
    """Return the characters per second of some seconds of steps with `number` threads in this process."""
    with threads(number):
        for _ in range(3):
            make_step(session.state, session.streams, params.training)
        began, characters = time.perf_counter(), 0
        while time.perf_counter() - began < BLOCK_SECONDS:
            *_, read = make_step(session.state, session.streams, params.training)
            characters += read
        return characters / (time.perf_counter() - began)
