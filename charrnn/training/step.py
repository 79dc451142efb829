"""One optimizer step on the next window."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from charrnn.config.schema import TrainingParams
from charrnn.data.windows import IGNORED, Windows
from charrnn.model.char_rnn import State
from charrnn.training.device import autocast
from charrnn.training.limits import run_progress
from charrnn.training.ranks import Order, Ordered, Ranks
from charrnn.training.schedules import learning_rate
from charrnn.training.state import TrainState


def make_step(state: TrainState, streams: Windows, training: TrainingParams) -> tuple[Tensor, Tensor, float, int]:
    """Make one optimizer step on the next window.

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
    return take_step(state, streams, training, rate)


def take_step(
    state: TrainState, streams: Windows, training: TrainingParams, rate: float
) -> tuple[Tensor, Tensor, float, int]:
    """Make one optimizer step on the next window at the learning rate `rate`; return what `make_step` returns.

    Where several processes train, each reads the window of its own streams and divides by the characters of all, so
    that the sum of their gradients is that of one process which reads all streams. Clipping comes after the sum.
    """
    model, optimizer, at = state.model, state.optimizer, state.progress
    window = streams.window(at.window, at.epoch).of_streams(state.share)
    with autocast(training, state.device):
        restarted = _restarted(window.carried(state.hidden), training.restart_probability, state)
        logits, hidden = model(window.inputs, restarted)
        logits, targets = logits.flatten(0, 1).float(), window.targets.flatten()
        mean = _mean(logits, targets, window.characters, training.label_smoothing)
    loss = mean * len(window.inputs) if training.loss_reduction == "sum" else mean
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    nll = _mean(logits.detach(), targets, window.characters) if training.label_smoothing else mean.detach()
    if state.ranks is not None:
        nll = _add_up(state.ranks, [weights for weights in model.parameters() if weights.grad is not None], nll)
    limit = math.inf if training.grad_clip is None else training.grad_clip
    grad_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    at.step += 1
    if state.average is not None and training.ema_decay is not None:
        _update_average(state, training.ema_decay)
    at.window += 1
    state.hidden = tuple(tensor.detach() for tensor in hidden)
    if at.window == streams.num_windows:
        at.epoch, at.window = at.epoch + 1, 0
        state.hidden = model.initial_state(len(window.offsets))
    return nll, grad_norm, rate, window.characters


def _mean(logits: Tensor, targets: Tensor, characters: int, label_smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy of `logits` summed over this process's targets, over the `characters` of all."""
    summed = F.cross_entropy(logits, targets, ignore_index=IGNORED, label_smoothing=label_smoothing, reduction="sum")
    return summed / characters


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
    mask = restarts.to(hidden[0].device)[:, None]
    return tuple(part.masked_fill(mask, 0.0) for part in hidden)


@torch.no_grad()
def _update_average(state: TrainState, decay: float) -> None:
    """Move the exponential moving average towards the weights; faster at first, to forget the initial weights."""
    step = state.progress.step
    decay = min(decay, step / (step + 9))
    torch._foreach_lerp_(list(state.best_model.parameters()), list(state.model.parameters()), 1 - decay)
