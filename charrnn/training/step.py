"""One optimizer step on the next window."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from charrnn.config.schema import TrainingParams
from charrnn.data.windows import IGNORED, Windows, put
from charrnn.model.char_rnn import State
from charrnn.training.device import autocast, choose_precision
from charrnn.training.limits import run_progress
from charrnn.training.ranks import Order, Ordered, Ranks
from charrnn.training.schedules import learning_rate
from charrnn.training.state import TrainState

Compute = Callable[[TrainState, Tensor, Tensor, State, TrainingParams, int], tuple[Tensor, Tensor, State]]
"""Computes a step on the device, as `compute` does."""


def make_step(
    state: TrainState, streams: Windows, training: TrainingParams, computation: Compute | None = None
) -> tuple[Tensor, Tensor, float, int]:
    """Make one optimizer step on the next window, and have the other processes make it, where there are some.

    Args:
        state: changed in place.
        streams: the training split.
        training: the optimisation.
        computation: what computes the step; None for `compute`.

    Returns:
        Its negative log-likelihood (nats per character) and gradient norm, each () float32 and still on the device, its
        learning rate, and the characters it read.
    """
    at = state.progress
    rate = at.rate_factor * learning_rate(
        training,
        step=at.step,
        progress=run_progress(training, at, streams.num_windows) or 0.0,
        epoch=at.epoch + at.window / streams.num_windows,
        decays=at.decays,
    )
    if state.ranks is not None:
        state.ranks.order(Ordered(Order.STEP, at.step, rate, torch.get_num_threads()))
    return take_step(state, streams, training, rate, computation or compute)


def take_step(
    state: TrainState, streams: Windows, training: TrainingParams, rate: float, computation: Compute
) -> tuple[Tensor, Tensor, float, int]:
    """Make one optimizer step on the next window at the learning rate `rate`; return what `make_step` returns.

    Where several processes train, each reads the window of its own streams.
    """
    at = state.progress
    window = streams.window(at.window, at.epoch).of_streams(state.share)
    hidden = _restarted(window.carried(state.hidden), training.restart_probability, state)
    for group in state.optimizer.param_groups:
        # A CUDA graph reads the rate as float32, and a step without one is to be the same.
        group["lr"] = float(np.float32(rate)) if state.device.type == "cuda" else rate
    nll, grad_norm, state.hidden = computation(
        state, window.inputs, window.targets, hidden, training, window.characters
    )
    at.step += 1
    if state.average is not None and training.ema_decay is not None:
        _update_average(state, training.ema_decay)
    at.window += 1
    if at.window == streams.num_windows:
        at.epoch, at.window = at.epoch + 1, 0
        state.hidden = state.model.initial_state(len(window.offsets))
    return nll, grad_norm, rate, window.characters


def compute(
    state: TrainState, inputs: Tensor, targets: Tensor, hidden: State, training: TrainingParams, characters: int
) -> tuple[Tensor, Tensor, State]:
    """Compute gradients on a window and move the weights; wait for nothing, so that a CUDA graph can hold it.

    Where several processes train, each divides by the characters of all, so that the sum of their gradients is that of
    one process which reads all streams. Clipping comes after the sum.

    Args:
        state: its weights and optimizer change; the learning rate is the optimizer's.
        inputs: (seq_length, own streams) int64.
        targets: the same, IGNORED where nothing is to be predicted.
        hidden: the state before the window.
        training: the optimisation.
        characters: predictions that all processes make in this step (count).

    Returns:
        The negative log-likelihood (nats per character) and the gradient norm, each () float32, and the state after.
    """
    model, optimizer = state.model, state.optimizer
    if choose_precision(training, state.device) != "bfloat16":
        # That of a checkpoint may be bfloat16, from a processor that multiplies it.
        hidden = tuple(part.float() for part in hidden)
    # One process leaves the count to PyTorch: a CUDA graph would keep that of the window it was captured on.
    of_all = None if state.ranks is None else characters
    with autocast(training, state.device):
        logits, hidden = model(inputs, hidden)
        logits, targets = logits.flatten(0, 1).float(), targets.flatten()
        mean = _mean(logits, targets, of_all, training.label_smoothing)
    loss = mean * len(inputs) if training.loss_reduction == "sum" else mean
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    nll = _mean(logits.detach(), targets, of_all) if training.label_smoothing else mean.detach()
    if state.ranks is not None:
        nll = _add_up(state.ranks, [weights for weights in model.parameters() if weights.grad is not None], nll)
    limit = math.inf if training.grad_clip is None else training.grad_clip
    grad_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
    optimizer.step()
    return nll, grad_norm, tuple(tensor.detach() for tensor in hidden)


def _mean(logits: Tensor, targets: Tensor, characters: int | None, label_smoothing: float = 0.0) -> Tensor:
    """Return the summed cross-entropy of `targets`, over `characters`, or over their own number where it is None."""
    reduction = "mean" if characters is None else "sum"
    loss = F.cross_entropy(logits, targets, ignore_index=IGNORED, label_smoothing=label_smoothing, reduction=reduction)
    return loss if characters is None else loss / characters


def _add_up(ranks: Ranks, weights: Sequence[Tensor], nll: Tensor) -> Tensor:
    """Replace the gradients of `weights` with their sums over all ranks; return that of `nll`, () float32.

    All in one message: each has to wait for the slowest rank.
    """
    flat = torch.cat([*(tensor.grad.flatten() for tensor in weights if tensor.grad is not None), nll.reshape(1)])
    ranks.add_up(flat)
    *gradients, summed = flat.split([*(tensor.numel() for tensor in weights), 1])
    for tensor, gradient in zip(weights, gradients, strict=True):
        tensor.grad = gradient.view_as(tensor)
    total: Tensor = summed[0]
    return total


def _restarted(hidden: State, probability: float, state: TrainState) -> State:
    """Return `hidden` with zeros for the streams that restart, each with `probability`."""
    if probability == 0:
        return hidden
    # Drawn on the CPU, whose random state every checkpoint keeps; for the streams of all processes, as in one process.
    restarts = torch.rand(state.streams)[state.share] < probability
    mask = put(restarts, hidden[0].device)[:, None]
    return tuple(part.masked_fill(mask, 0.0) for part in hidden)


@torch.no_grad()
def _update_average(state: TrainState, decay: float) -> None:
    """Move the exponential moving average towards the weights; faster at first, to forget the initial weights."""
    step = state.progress.step
    decay = min(decay, step / (step + 9))
    torch._foreach_lerp_(list(state.best_model.parameters()), list(state.model.parameters()), 1 - decay)
