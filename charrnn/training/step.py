"""One optimizer step on the next window."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from charrnn.config.schema import TrainingParams
from charrnn.data.windows import IGNORED, Windows
from charrnn.model.char_rnn import State
from charrnn.training.device import autocast
from charrnn.training.limits import run_progress
from charrnn.training.schedules import learning_rate
from charrnn.training.state import TrainState


def make_step(state: TrainState, streams: Windows, training: TrainingParams) -> tuple[Tensor, Tensor, float, int]:
    """Make one optimizer step on the next window.

    Returns:
        Its negative log-likelihood (nats per character) and gradient norm, each () float32 and still on the device, its
        learning rate, and the characters it read.
    """
    model, optimizer, at = state.model, state.optimizer, state.progress
    rate = at.rate_factor * learning_rate(
        training,
        step=at.step,
        progress=run_progress(training, at, streams.num_windows) or 0.0,
        epoch=at.epoch + at.window / streams.num_windows,
        decays=at.decays,
    )
    window = streams.window(at.window, at.epoch)
    with autocast(training, state.device):
        logits, hidden = model(window.inputs, _restarted(window.carried(state.hidden), training.restart_probability))
        logits, targets = logits.flatten(0, 1).float(), window.targets.flatten()
        mean = F.cross_entropy(logits, targets, ignore_index=IGNORED, label_smoothing=training.label_smoothing)
    loss = mean * len(window.inputs) if training.loss_reduction == "sum" else mean
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
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
        state.hidden = model.initial_state(streams.batch_size)
    nll = F.cross_entropy(logits.detach(), targets, ignore_index=IGNORED) if training.label_smoothing else mean.detach()
    return nll, grad_norm, rate, window.characters


def _restarted(hidden: State, probability: float) -> State:
    """Return `hidden` with zeros for the streams that restart, each with `probability`."""
    if probability == 0:
        return hidden
    # Drawn on the CPU, whose random state every checkpoint keeps.
    restarts = torch.rand(hidden[0].shape[1]) < probability
    mask = restarts.to(hidden[0].device)[:, None]
    return tuple(part.masked_fill(mask, 0.0) for part in hidden)


@torch.no_grad()
def _update_average(state: TrainState, decay: float) -> None:
    """Move the exponential moving average towards the weights; faster at first, to forget the initial weights."""
    step = state.progress.step
    decay = min(decay, step / (step + 9))
    torch._foreach_lerp_(list(state.best_model.parameters()), list(state.model.parameters()), 1 - decay)
