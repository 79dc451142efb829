"""All figures, the most important first: what is cut off is what is missed least."""

import os
import platform
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu import checks, peak, speed, trainings
from benchmarks.gpu.results import Results
from benchmarks.gpu.setting import Setting, Shape, setting
from charrnn.config.schema import TrainingParams
from charrnn.training.device import CUBLAS_VARIABLE, choose_device, describe_device

MODELS = ((2, 512), (3, 1024), (1, 256), (1, 2048))
BATCHES = (128, 32, 1024, 256, 64, 512)
SEQ_LENGTH = 128
QUICK_MODELS, QUICK_BATCHES, QUICK_SEQ_LENGTH = ((2, 32), (1, 16)), (4, 8), 16
# What figures take, as far as that was estimated (s); a figure that does not fit into what is left is left out.
CHECK, CELL = 10.0, 6.0
# The longest training gets what is left, and nothing below this (s).
LONG, SHORTEST_LONG = 300, 90.0
SPARE = 8.0


def measure_all(
    corpus: Path | None, output: Path, device: str, seconds: float, parts: Sequence[str], quick: bool
) -> str:
    """Make the figures of `parts` in `seconds` and write them to `output`; return them as JSON.

    Raises:
        CharrnnError: the device is not there, the corpus cannot be read, or the output cannot be written.
    """
    on = setting(choose_device(TrainingParams.model_validate({"device": device})), corpus, quick)
    results = Results(output, _about(on, seconds), seconds)
    results.make("peak", 5.0, partial(peak.measure, on))
    peaks = results.figures.get("peak", {}).get("TFLOP/s", {})
    if "checks" in parts:
        _check(on, results)
    if "trainings" in parts:
        for planned in (14, 60):
            length = 2.0 if quick else float(planned)
            results.make(f"training {planned} s", length + SPARE, partial(trainings.measure, on, planned, length))
    if "speed" in parts:
        precision = "tf32" if on.device.type == "cuda" else "float32"
        for shape in _shapes(quick):
            measure = partial(speed.measure, on, shape, precision, peaks.get(precision))
            results.make(f"speed {shape}", CELL, measure)
    if "precisions" in parts:
        _precisions(on, results, peaks)
    if "long" in parts:
        length = 3.0 if quick else min(float(LONG), results.left - SPARE)
        least = length if quick else SHORTEST_LONG
        results.make(f"training {LONG} s", least + SPARE, partial(trainings.measure, on, LONG, length))
    return results.finish()


def _check(on: Setting, results: Results) -> None:
    shape = Shape(*QUICK_MODELS[0], QUICK_BATCHES[0], QUICK_SEQ_LENGTH) if on.quick else Shape(2, 512, 128, SEQ_LENGTH)
    for precision in ("float32", "tf32") if on.device.type == "cuda" else ("float32",):
        measure = partial(checks.same_losses_as_bare, on, shape, precision)
        results.make(f"losses of both loops, {precision}", CHECK, measure)
    results.make("exact resume", CHECK, partial(checks.exact_resume, on, shape))
    small = shape if on.quick else Shape(2, 512, 16, 64)  # a part of it is computed on one core
    results.make("checkpoint to the CPU and back", CHECK, partial(checks.travelling_checkpoint, on, small))
    if on.device.type == "cuda":
        results.make("graphs on and off", CHECK, partial(checks.same_with_graphs, on, shape))
        results.make("synchronisations", CHECK, partial(checks.synchronisations, on, shape))


def _precisions(on: Setting, results: Results, peaks: dict[str, float]) -> None:
    for layers, hidden_size in QUICK_MODELS[:1] if on.quick else MODELS[:2]:
        shape = (
            Shape(layers, hidden_size, QUICK_BATCHES[0], QUICK_SEQ_LENGTH)
            if on.quick
            else Shape(layers, hidden_size, BATCHES[0], SEQ_LENGTH)
        )
        measure = partial(speed.measure, on, shape, "float32", peaks.get("float32"))
        results.make(f"float32 {shape}", CELL, measure)
        results.make(f"bfloat16 weights {shape}", CELL, partial(speed.bfloat16_weights, on, shape))


def _shapes(quick: bool) -> list[Shape]:
    models, batches, seq_length = (
        (QUICK_MODELS, QUICK_BATCHES, QUICK_SEQ_LENGTH) if quick else (MODELS, BATCHES, SEQ_LENGTH)
    )
    return [Shape(*model, batch_size, seq_length) for batch_size in batches for model in models]


def _about(on: Setting, seconds: float) -> dict[str, Any]:
    cuda = on.device.type == "cuda"
    return {
        "device": describe_device(on.device),
        "memory of the device (bytes)": torch.cuda.get_device_properties(on.device).total_memory if cuda else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if cuda else None,
        "numpy": np.__version__,
        CUBLAS_VARIABLE: os.environ.get(CUBLAS_VARIABLE),
        "budget (s)": seconds,
        "quick": on.quick,
        "text": f"sha256 {on.sha256}" if on.sha256 else "made here: its losses say nothing",
        "characters": len(on.ids) + len(on.held_out),
        "held out": "the last 10 %",
    }
