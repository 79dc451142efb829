"""Characters a second of the library's loop, with CUDA graphs and without, against the bare loop of the same shape."""

from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.bare import BareLoop, BareLSTM
from benchmarks.gpu.setting import (
    Setting,
    Shape,
    clock,
    forget,
    fresh_state,
    params_for,
    peak_memory,
    steps,
    whole_windows,
)
from charrnn.config.schema import Params
from charrnn.data.streams import Streams
from charrnn.training.device import computing
from charrnn.training.graphs import WARM_UP
from charrnn.training.state import TrainState

SECONDS, QUICK_SECONDS = 0.6, 0.1
# Time between two reports (s), which wait for the device: where steps are slow, fewer are between them.
REPORT_SECONDS, MOST_STEPS = 0.3, 50

# Name of a figure, and `training.cuda_graphs` of the loop that it is of.
WAYS = {"cuda": (("graphs", "true"), ("no graphs", "false")), "cpu": (("loop", "true"),)}


def measure(setting: Setting, shape: Shape, precision: str, peak: float | None) -> dict[str, Any]:
    """Return the figures of one shape: the bare loop is measured before and after the library's.

    Args:
        setting: what is measured on.
        shape: of the model and the windows.
        precision: of both, as `training.precision`.
        peak: what the device multiplies in it at most (TFLOP/s), to compare with; None where that is not known.
    """
    params = params_for(shape, f"training.precision={precision}", f"training.device={setting.device.type}")
    seconds = QUICK_SECONDS if setting.quick else SECONDS
    with computing(params.training):
        forget(setting.device)
        streams = whole_windows(setting, shape)
        before, step_seconds, bare_memory = _bare(setting, params, streams, seconds, torch.float32)
        found: dict[str, float] = {}
        memory: dict[str, int | None] = {}
        log_every = max(2, min(MOST_STEPS, round(REPORT_SECONDS / step_seconds)))
        for name, graphs in WAYS[setting.device.type]:
            forget(setting.device)
            changes = (f"training.cuda_graphs={graphs}", f"training.log_every={log_every}")
            found[name] = _loop(setting, shape, streams, precision, changes, seconds)
            memory[name] = peak_memory(setting.device)
        forget(setting.device)
        after, _, _ = _bare(setting, params, streams, seconds, torch.float32)
    bare, best = (before + after) / 2, max(found.values())
    figure: dict[str, Any] = {
        "precision": precision,
        "characters/s": {name: round(value) for name, value in (*found.items(), ("bare", bare))},
        "of the bare loop": {name: round(value / bare, 4) for name, value in found.items()},
        "bare before and after": [round(before), round(after)],
        "steps between reports": log_every,
        "peak memory (bytes)": {**memory, "bare": bare_memory},
    }
    if peak:
        figure["of the peak"] = round(best * operations(shape, setting) / (peak * 1e12), 4)
    return figure


def bfloat16_weights(setting: Setting, shape: Shape) -> dict[str, Any]:
    """Return the speed of the bare loop with weights in bfloat16, which PyTorch does not give to cuDNN's LSTM."""
    params = params_for(shape)
    forget(setting.device)
    streams = whole_windows(setting, shape)
    seconds = QUICK_SECONDS if setting.quick else SECONDS
    speed, _, memory = _bare(setting, params, streams, seconds, torch.bfloat16)
    return {"characters/s": {"bare": round(speed)}, "peak memory (bytes)": {"bare": memory}}


def operations(shape: Shape, setting: Setting) -> float:
    """Return the operations of the matrix products of a training, forward and backward, for each character."""
    embedding = params_for(shape).model.embedding_size or setting.vocabulary.size
    inputs = [embedding, *[shape.hidden_size] * (shape.layers - 1)]
    weights = sum(4 * shape.hidden_size * (size + shape.hidden_size) for size in inputs)
    return 6.0 * (weights + shape.hidden_size * setting.vocabulary.size)


def bare_twin(setting: Setting, params: Params, state: TrainState, streams: Streams) -> BareLoop:
    """Return the bare loop with the weights of `state`, on the windows of `streams`."""
    model = params.model
    bare = BareLSTM(setting.vocabulary.size, model.embedding_size or 1, model.hidden_size, model.num_layers)
    weights = {_bare_name(name): tensor for name, tensor in state.model.state_dict().items()}
    bare.load_state_dict(weights)
    return BareLoop(bare.to(setting.device), windows_of(streams))


def windows_of(streams: Streams) -> Tensor:
    """Return all windows of `streams`, (number, seq_length + 1, batch_size) int64, on their device."""
    pieces = [streams.window(index) for index in range(streams.num_windows)]
    return torch.stack([torch.cat((piece.inputs, piece.targets[-1:])) for piece in pieces])


def _bare_name(name: str) -> str:
    """Return what nn.LSTM calls a weight of one of our layers: rnns.1.bias_ih_l0 is rnn.bias_ih_l1 there."""
    if not name.startswith("rnns."):
        return name
    _, layer, weight = name.split(".")
    return f"rnn.{weight.removesuffix('0')}{layer}"


def _bare(
    setting: Setting, params: Params, streams: Streams, seconds: float, dtype: torch.dtype
) -> tuple[float, float, int | None]:
    """Return characters a second, the time of a step (s), and the peak memory (bytes) of the bare loop."""
    loop = bare_twin(setting, params, fresh_state(setting, params, streams), streams)
    loop.model.to(dtype)
    loop.run(WARM_UP)
    began = clock(setting.device)
    loop.run(2)
    estimate = (clock(setting.device) - began) / 2
    number = max(2, round(seconds / estimate))
    began = clock(setting.device)
    loop.run(number)
    step_seconds = (clock(setting.device) - began) / number
    return streams.batch_size * streams.seq_length / step_seconds, step_seconds, peak_memory(setting.device)


def _loop(
    setting: Setting, shape: Shape, streams: Streams, precision: str, changes: tuple[str, ...], seconds: float
) -> float:
    """Return characters a second of the library's loop, reports included, after its first steps."""
    params = params_for(shape, f"training.precision={precision}", f"training.device={setting.device.type}", *changes)
    state = fresh_state(setting, params, streams)
    began, first = 0.0, 0
    for report in steps(state, streams, params):
        now = clock(setting.device)
        if not first:
            # The first replay has behind it what a graph costs once.
            began, first = (now, report.last_step) if report.last_step > WARM_UP + 1 else (0.0, 0)
        elif now - began >= seconds:
            return (report.last_step - first) * streams.batch_size * streams.seq_length / (now - began)
    raise AssertionError("a training without a limit ended")
