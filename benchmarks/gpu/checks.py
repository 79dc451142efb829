"""What must hold on a device: equal losses, exact resume, checkpoints that travel, and few synchronisations."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.setting import Setting, Shape, fresh_state, losses, params_for, steps, whole_windows
from benchmarks.gpu.speed import bare_twin
from charrnn.config.schema import Params
from charrnn.evaluation.losses import mean_loss
from charrnn.training.checkpoint import checkpoint_of, load_checkpoint, save_checkpoint
from charrnn.training.device import computing
from charrnn.training.graphs import WARM_UP
from charrnn.training.state import TrainState

STEPS = 24
REPORTS = 5
# What a run has that draws at random, on the device and off it.
DRAWS = ("model.dropout=0.2", "training.restart_probability=0.1", "training.ema_decay=0.9")


def same_losses_as_bare(setting: Setting, shape: Shape, precision: str) -> dict[str, Any]:
    """Train both loops from the same weights; the largest difference of two losses should be that of rounding."""
    params = _params(setting, shape, precision)
    streams = whole_windows(setting, shape)
    with computing(params.training):
        state = fresh_state(setting, params, streams)
        bare = bare_twin(setting, params, state, streams)
        ours = losses(state, streams, params, STEPS)
        theirs = torch.stack(bare.run(len(ours))).tolist()
    return {
        "precision": precision,
        "steps": len(ours),
        "first and last loss": [ours[0], ours[-1]],
        "largest difference": max(abs(one - other) for one, other in zip(ours, theirs, strict=True)),
    }


def same_with_graphs(setting: Setting, shape: Shape) -> dict[str, Any]:
    """Train with graphs and without; both should end with the same bits."""
    streams = whole_windows(setting, shape)
    ends = []
    for graphs in ("true", "false"):
        params = _params(setting, shape, "auto", f"training.cuda_graphs={graphs}", *DRAWS)
        with computing(params.training):
            state = fresh_state(setting, params, streams)
            ends.append((losses(state, streams, params, STEPS), state.to_dict()))
    (some, with_graphs), (others, without) = ends
    return {"steps": len(some), "equal losses": some == others, "equal bits": not _different(with_graphs, without)}


def exact_resume(setting: Setting, shape: Shape) -> dict[str, Any]:
    """Train without a stop, again, and twice with a stop and a checkpoint file between; all should end the same."""
    params = _params(setting, shape, "auto", *DRAWS)
    streams = whole_windows(setting, shape)
    with computing(params.training):
        ends = []
        for stop in (None, None, STEPS // 2, STEPS // 4):
            state = fresh_state(setting, params, streams)
            if stop is not None:
                losses(state, streams, params, stop)
                saved = _through_file(setting, state, params)
                state = fresh_state(setting, params, streams)
                state.load_dict(saved)
            losses(state, streams, params, STEPS)
            ends.append(state.to_dict())
    first, *others = ends
    return {
        "steps": STEPS,
        "different after a repetition": _different(first, others[0]),
        "different after a resume": _different(first, others[1]),
        "different after another resume": _different(first, others[2]),
    }


def travelling_checkpoint(setting: Setting, shape: Shape) -> dict[str, Any]:
    """Train on the device, on the CPU, and on the device again, each from the checkpoint of the one before."""
    cpu = Setting(torch.device("cpu"), setting.vocabulary, setting.ids, setting.held_out, setting.sha256, setting.quick)
    saved: dict[str, Any] = {}
    changed: list[str] = []
    ends: list[float] = []
    evaluated: list[list[float]] = []
    loss = 0.0
    for place in (setting, cpu, setting):
        params = _params(place, shape, "auto", *DRAWS)
        streams = whole_windows(place, shape)
        with computing(params.training):
            state = fresh_state(place, params, streams)
            if saved:
                state.load_dict(saved)
                changed += _different(saved, state.to_dict())
                evaluated.append([loss, mean_loss(state.best_model, streams, windows=2)])
            ends.append(losses(state, streams, params, state.progress.step + 6)[-1])
            loss = mean_loss(state.best_model, streams, windows=2)
            saved = _through_file(place, state, params)
    return {"losses": ends, "changed by travelling": changed, "losses of the same weights": evaluated}


def synchronisations(setting: Setting, shape: Shape) -> dict[str, Any]:
    """Count how often the processor waits for the GPU while steps are made, against the reports."""
    streams = whole_windows(setting, shape)
    found: dict[str, Any] = {}
    for name, graphs in (("graphs", "true"), ("no graphs", "false")):
        params = _params(setting, shape, "auto", f"training.cuda_graphs={graphs}", *DRAWS)
        with computing(params.training):
            reports = steps(fresh_state(setting, params, streams), streams, params)
            while next(reports).last_step <= WARM_UP:
                pass
            with counting() as waits:
                made = sum(len(next(reports).losses) for _ in range(REPORTS))
        found[name] = {"steps": made, "reports": REPORTS, "waits": len(waits), "where": sorted(set(waits))}
    return found


@contextmanager
def counting() -> Iterator[list[str]]:
    """Gather where the processor waits for the GPU in the block, as PyTorch sees it."""
    places: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield places
        finally:
            torch.cuda.set_sync_debug_mode("default")
            places += [f"{one.filename}:{one.lineno}" for one in caught if "synchroniz" in str(one.message)]


def _params(setting: Setting, shape: Shape, precision: str, *changes: str) -> Params:
    texts = [f"training.device={setting.device.type}", f"training.precision={precision}"]
    return params_for(shape, *texts, f"training.log_every={STEPS // 4}", *changes)


def _through_file(setting: Setting, state: TrainState, params: Params) -> dict[str, Any]:
    """Return the state that a checkpoint file of `state` holds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ckpt"
        save_checkpoint(path, checkpoint_of(state, params, setting.vocabulary, "", ""))
        return dict(load_checkpoint(path).state)


def _different(some: Any, others: Any, name: str = "") -> list[str]:
    """Return the names of the tensors in two states that differ in a bit; progress and rates are not compared."""
    if isinstance(some, torch.Tensor):
        return [] if torch.equal(some, others) else [name]
    if isinstance(some, dict):
        return [
            found
            for key in some
            if key not in ("progress", "param_groups", "cuda_rng")
            for found in _different(some[key], others[key], f"{name}.{key}".lstrip("."))
        ]
    if isinstance(some, list | tuple):
        return [
            found
            for number, (one, other) in enumerate(zip(some, others, strict=True))
            for found in _different(one, other, f"{name}.{number}")
        ]
    return []
