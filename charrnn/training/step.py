"""One optimizer step on the next window."""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from charrnn.config.schema import TrainingParams
from charrnn.data.windows import IGNORED, Windows, put
from charrnn.model.char_rnn import State
from charrnn.training.device import autocast, choose_precision
from charrnn.training.limits import run_progress
from charrnn.training.schedules import learning_rate
from charrnn.training.state import TrainState

Compute = Callable[[TrainState, Tensor, Tensor, State, TrainingParams], tuple[Tensor, Tensor, State]]
"""Computes a step on the device, as `compute` does."""


def make_step(
    state: TrainState, streams: Windows, training: TrainingParams, computation: Compute | None = None
) -> tuple[Tensor, Tensor, float, int]:
    """Make one optimizer step on the next window.

    Args:
        state: changed in place.
        streams: the training split.
        training: the optimisation.
        computation: what computes the step; None for `compute`.

    Returns:
        Its negative log-likelihood (nats per character) and gradient norm, each () float32 and still on the device, its
        learning rate, and the characters it read.
    """
    model, at = state.model, state.progress
    rate = at.rate_factor * learning_rate(
        training,
        step=at.step,
        progress=run_progress(training, at, streams.num_windows) or 0.0,
        epoch=at.epoch + at.window / streams.num_windows,
        decays=at.decays,
    )
    window = streams.window(at.window, at.epoch)
    hidden = _restarted(window.carried(state.hidden), training.restart_probability)
    for group in state.optimizer.param_groups:
        # A CUDA graph reads the rate as float32, and a step without one is to be the same.
        group["lr"] = float(np.float32(rate)) if state.device.type == "cuda" else rate
    nll, grad_norm, state.hidden = (computation or compute)(state, window.inputs, window.targets, hidden, training)
    at.step += 1
    if state.average is not None and training.ema_decay is not None:
        _update_average(state, training.ema_decay)
    at.window += 1
    if at.window == streams.num_windows:
        at.epoch, at.window = at.epoch + 1, 0
        state.hidden = model.initial_state(streams.batch_size)
    return nll, grad_norm, rate, window.characters


def compute(
    state: TrainState, inputs: Tensor, targets: Tensor, hidden: State, training: TrainingParams
) -> tuple[Tensor, Tensor, State]:
    """Compute gradients on a window and move the weights; wait for nothing, so that a CUDA graph can hold it.

    Args:
        state: its weights and optimizer change; the learning rate is the optimizer's.
        inputs: (seq_length, batch_size) int64.
        targets: the same, IGNORED where nothing is to be predicted.
        hidden: the state before the window.
        training: the optimisation.

    Returns:
        The negative log-likelihood (nats per character) and the gradient norm, each () float32, and the state after.
    """
    model, optimizer = state.model, state.optimizer
    if choose_precision(training, state.device) != "bfloat16":
        # That of a checkpoint may be bfloat16, from a processor that multiplies it.
        hidden = tuple(part.float() for part in hidden)
    with autocast(training, state.device):
        logits, hidden = model(inputs, hidden)
        logits, targets = logits.flatten(0, 1).float(), targets.flatten()
        mean = F.cross_entropy(logits, targets, ignore_index=IGNORED, label_smoothing=training.label_smoothing)
    loss = mean * len(inputs) if training.loss_reduction == "sum" else mean
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    limit = math.inf if training.grad_clip is None else training.grad_clip
    grad_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
    optimizer.step()
    nll = F.cross_entropy(logits.detach(), targets, ignore_index=IGNORED) if training.label_smoothing else mean.detach()
    return nll, grad_norm, tuple(tensor.detach() for tensor in hidden)


def _restarted(hidden: State, probability: float) -> State:
    """Return `hidden` with zeros for the streams that restart, each with `probability`."""
    if probability == 0:
        return hidden
    # Drawn on the CPU, whose random state every checkpoint keeps.
    mask = put(torch.rand(hidden[0].shape[1]) < probability, hidden[0].device)[:, None]
    return tuple(part.masked_fill(mask, 0.0) for part in hidden)


@torch.no_grad()
def _update_average(state: TrainState, decay: float) -> None:
    """Move the exponential moving average towards the weights; faster at first, to forget the initial weights."""
    step = state.progress.step
    decay = min(decay, step / (step + 9))
    torch._foreach_lerp_(list(state.best_model.parameters()), list(state.model.parameters()), 1 - decay)
