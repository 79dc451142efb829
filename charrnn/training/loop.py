"""The training loop: an iterator of events; does not know what its caller does with them.

Truncated back-propagation through time (Williams & Peng 1990): each window starts from the hidden state in which the
last one ended, without gradients through it. To stop, close the generator. At every event the state is complete and can
be saved, unless a `Steps` says `diverged`, and training goes on from it as if nothing had happened. An event comes at
least about every second.
"""

import copy
import math
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from charrnn.config.schema import Params, TrainingParams
from charrnn.data.windows import IGNORED, Windows
from charrnn.errors import ParamsError
from charrnn.evaluation.losses import mean_loss, probe_loss, summed_losses
from charrnn.training.device import autocast
from charrnn.training.divergence import check_evaluation
from charrnn.training.events import CheckpointDue, Evaluation, Pause, TrainEvent
from charrnn.training.limits import is_too_long, run_progress, what_is_due
from charrnn.training.pending import PendingSteps
from charrnn.training.schedules import learning_rate
from charrnn.training.state import Progress, TrainState


def train(state: TrainState, streams: Windows, val_streams: Windows | None, params: Params) -> Iterator[TrainEvent]:
    """Train `state` on `streams` until `params.training` says it is enough, yielding what happens.

    Args:
        state: changed in place.
        streams: the training split.
        val_streams: the validation split; None for none.
        params: training, evaluation and checkpoint sections are used.

    Raises:
        DivergedError: see `charrnn.training.divergence`. The steps before it have been yielded; the state is not to be
            saved.
        ParamsError: the training text has no window number `evaluation.probe_window`.
    """
    _check_probe(params, streams)
    at = state.progress
    pending: PendingSteps | None = None
    # What evaluations read of the training split is always of epoch 0; a copy shares its ids, not its place in them.
    probed = copy.copy(streams)
    resumed_at = time.monotonic() - at.elapsed
    while True:
        due = what_is_due(params, at, streams.num_windows, pending.age if pending else None)
        if pending and due.report:
            event, diverged = pending.report(at, params.training, streams.num_windows)
            at.elapsed, pending = time.monotonic() - resumed_at, None
            if event.losses:
                yield event
            if diverged:
                raise diverged
        elif due.evaluation:
            counted_to = time.monotonic()
            for evaluated in _evaluate(state, probed, val_streams, params, resumed_at):
                counted_to = _count_evaluation(at, counted_to)
                yield evaluated
            _count_evaluation(at, counted_to)  # what the consumer did with it counts, too
        elif due.checkpoint:
            at.checkpointed_step, at.checkpointed_at = at.step, at.elapsed
            yield CheckpointDue(at.step, keep=due.keep)
        elif due.end:
            return
        else:
            pending = pending or PendingSteps()
            pending.add(*_step(state, streams, params.training))
            at.elapsed = time.monotonic() - resumed_at


def _step(state: TrainState, streams: Windows, training: TrainingParams) -> tuple[Tensor, Tensor, float, int]:
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
        logits, hidden = model(window.inputs, window.carried(state.hidden))
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


@torch.no_grad()
def _update_average(state: TrainState, decay: float) -> None:
    """Move the exponential moving average towards the weights; faster at first, to forget the initial weights."""
    step = state.progress.step
    decay = min(decay, step / (step + 9))
    torch._foreach_lerp_(list(state.best_model.parameters()), list(state.model.parameters()), 1 - decay)


def _evaluate(
    state: TrainState, streams: Windows, val_streams: Windows | None, params: Params, resumed_at: float
) -> Iterator[Pause | Evaluation]:
    """Evaluate the best model, and note the result in `state.progress`. Raises DivergedError."""
    at, loss = state.progress, None
    if val_streams is None:
        # No validation loss shows weights that are not finite, and they must not be kept as the best.
        check_evaluation(mean_loss(state.best_model, streams, windows=1), at.step)
    else:
        # Every stream's first windows: of one text a sample spread over the whole split, not its beginning. Pieces are
        # a sample already.
        most, read, said_at = params.evaluation.max_characters, 0, time.monotonic()
        for total, characters in summed_losses(state.best_model, val_streams):
            summed, window, read = total, characters - read, characters
            if most is not None and read + window > most:
                break
            if is_too_long(time.monotonic() - said_at):
                yield Pause(at.step)
                said_at = time.monotonic()
        loss = check_evaluation(float(summed) / read, at.step)
    probe = params.evaluation.probe_window
    at.probe_loss = probe_loss(state.best_model, streams, probe) if probe is not None else None
    improved = at.note_evaluation(loss, params.training)
    at.elapsed = time.monotonic() - resumed_at
    at.evaluated_step, at.evaluated_at = at.step, at.elapsed
    yield Evaluation(at.step, loss, at.probe_loss, improved, at.elapsed)


def _count_evaluation(at: Progress, counted_to: float) -> float:
    """Add the time since `counted_to` to that of evaluations; return until when it is counted now."""
    now = time.monotonic()
    at.evaluation_seconds += now - counted_to
    return now


def _check_probe(params: Params, streams: Windows) -> None:
    probe = params.evaluation.probe_window
    if probe is not None and probe > streams.num_windows:
        raise ParamsError(
            f"evaluation.probe_window: must be <= {streams.num_windows}, the windows of the training text, got {probe}"
        )
