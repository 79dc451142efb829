"""The training loop: an iterator of events. It knows nothing about who watches.

Truncated back-propagation through time (Williams & Peng 1990): each window starts from the hidden state the last one
ended in, without gradients through it. To stop, close the generator; at every event the state is complete and can be
saved, unless a `Steps` says `diverged`, and training goes on from it as if nothing had happened. There is an event at
least every second or so.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from charrnn.config.schema import Params, TrainingParams
from charrnn.data.streams import Streams
from charrnn.errors import DivergedError, ParamsError
from charrnn.evaluation.losses import probe_loss, summed_losses
from charrnn.training.device import autocast
from charrnn.training.schedules import learning_rate
from charrnn.training.state import Progress, TrainState

# However slow a step or an evaluation is, whoever watches gets a word in this often (s): a stop is to take effect soon.
LONGEST_SILENCE = 1.0
# Weight of the newest window in the running average of the loss: about the last 50 windows count.
SMOOTHING = 0.02


@dataclass(frozen=True)
class Steps:
    """Some updates in a row; one look at the device for all of them.

    Attributes:
        first_step: number of the first update (from 1); the others follow.
        losses: loss of each (nats per character).
        grad_norms: norm of each gradient before clipping.
        learning_rates: rate of each.
        chars_per_second: speed of these updates alone.
        epoch: passes through the training text, in fractions.
        progress: share of the run that is done, 0 to 1; None where nothing says when it ends.
        elapsed: training time so far (s).
        diverged: the update after them did; the state already has it and is not to be saved.
    """

    first_step: int
    losses: tuple[float, ...]
    grad_norms: tuple[float, ...]
    learning_rates: tuple[float, ...]
    chars_per_second: float
    epoch: float
    progress: float | None
    elapsed: float
    diverged: bool

    @property
    def last_step(self) -> int:
        """Number of the last update."""
        return self.first_step + len(self.losses) - 1


@dataclass(frozen=True)
class Evaluation:
    """A look at the model.

    Attributes:
        step: updates done.
        loss: on the validation split (nats per character); None without one.
        probe_loss: the seed's probe (see `evaluation.probe_window`); None when not asked for.
        improved: this is the best so far, worth keeping; without a validation split the latest is the best.
        elapsed: training time so far (s), this evaluation included.
    """

    step: int
    loss: float | None
    probe_loss: float | None
    improved: bool
    elapsed: float


@dataclass(frozen=True)
class Checkpoint:
    """Now is the time to save the state. `keep`: for good, beside the last and the best."""

    step: int
    keep: bool


@dataclass(frozen=True)
class Pause:
    """Nothing to report: a chance to stop in the middle of an evaluation, which then begins anew."""

    step: int


TrainEvent = Steps | Evaluation | Checkpoint | Pause


def train(state: TrainState, streams: Streams, val_streams: Streams | None, params: Params) -> Iterator[TrainEvent]:
    """Train `state` on `streams` until `params.training` says it is enough, yielding what happens.

    Args:
        state: changed in place.
        streams: the training split.
        val_streams: the validation split; None for none.
        params: training, evaluation and checkpoint sections are used.

    Raises:
        DivergedError: the loss or its gradient is no longer a finite number, or the loss jumped by more than
            `training.spike_threshold`. The steps before it have been yielded; the state is not to be saved.
        ParamsError: the training text has no window number `evaluation.probe_window`.
    """
    training, at, probe = params.training, state.progress, params.evaluation.probe_window
    if probe is not None and probe > streams.num_windows:
        raise ParamsError(
            f"evaluation.probe_window: must be <= {streams.num_windows}, the windows of the training text, got {probe}"
        )
    block: _Block | None = None
    resumed_at = time.monotonic() - at.elapsed
    while True:
        done = is_finished(training, at, streams.num_windows)
        if at.step and at.evaluated_step != at.step and (done or _is_due_evaluation(params, at)):
            evaluation_began = time.monotonic()
            yield from _evaluate(state, streams, val_streams, params, resumed_at)
            at.evaluation_seconds += time.monotonic() - evaluation_began
            continue  # patience may have run out
        if at.step and at.checkpointed_step != at.step and (done or _is_due_checkpoint(params, at)):
            at.checkpointed_step, at.checkpointed_at = at.step, at.elapsed
            keep = params.checkpoint.keep_every_steps
            yield Checkpoint(at.step, keep=keep is not None and at.step % keep == 0)
        if done:
            return
        rate = at.rate_factor * learning_rate(
            training,
            step=at.step,
            progress=run_progress(training, at, streams.num_windows) or 0.0,
            epoch=at.epoch + at.window / streams.num_windows,
            decays=at.decays,
        )
        block = block or _Block()
        loss, grad_norm, characters = _step(state, streams, training, rate)
        block.add(loss, grad_norm, rate, characters)
        at.elapsed = time.monotonic() - resumed_at
        if (
            at.step % training.log_every == 0
            or is_finished(training, at, streams.num_windows)
            or _is_due_evaluation(params, at)
            or _is_due_checkpoint(params, at)
            or block.age >= LONGEST_SILENCE
        ):
            event, diverged = block.finish(at, training, streams.num_windows)
            at.elapsed, block = time.monotonic() - resumed_at, None
            if event.losses:
                yield event
            if diverged:
                raise diverged


def is_finished(training: TrainingParams, at: Progress, num_windows: int) -> bool:
    """Whether any of epochs, max_steps, max_minutes and patience is reached."""
    total = total_steps(training, num_windows)
    return (
        (total is not None and at.step >= total)
        or (training.max_minutes is not None and at.elapsed >= 60 * training.max_minutes)
        or (training.patience is not None and at.evaluations_since_best >= training.patience)
    )


def total_steps(training: TrainingParams, num_windows: int) -> int | None:
    """Return the updates in the run, or None where only time or patience limits it."""
    limits = [training.max_steps, training.epochs and training.epochs * num_windows]
    return min((limit for limit in limits if limit), default=None)


def run_progress(training: TrainingParams, at: Progress, num_windows: int) -> float | None:
    """Return the share of the run that is done: by steps where their number is known, else by time."""
    total = total_steps(training, num_windows)
    if total is not None:
        return min(1.0, at.step / total)
    if training.max_minutes is not None:
        return min(1.0, at.elapsed / (60 * training.max_minutes))
    return None


def _step(state: TrainState, streams: Streams, training: TrainingParams, rate: float) -> tuple[Tensor, Tensor, int]:
    """Make one update; return its loss and gradient norm, still on the device, and the characters it read."""
    model, optimizer, at = state.model, state.optimizer, state.progress
    inputs, targets = streams.window(at.window)
    with autocast(training, state.device):
        logits, hidden = model(inputs, state.hidden)
        mean = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
    loss = mean * len(targets) if training.loss_reduction == "sum" else mean
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
    return mean.detach(), grad_norm, targets.numel()


@torch.no_grad()
def _update_average(state: TrainState, decay: float) -> None:
    """Move the average towards the weights, faster in the beginning so that it forgets where they started."""
    step = state.progress.step
    decay = min(decay, step / (step + 9))
    torch._foreach_lerp_(list(state.best_model.parameters()), list(state.model.parameters()), 1 - decay)


def _evaluate(
    state: TrainState, streams: Streams, val_streams: Streams | None, params: Params, resumed_at: float
) -> Iterator[Pause | Evaluation]:
    at = state.progress
    loss = None
    if val_streams is not None:
        # Every stream's first windows: a sample spread over the whole split, not its beginning.
        most, window = params.evaluation.max_characters, val_streams.batch_size * val_streams.seq_length
        windows = None if most is None else max(1, most // window)
        said_at = time.monotonic()
        for total, characters in summed_losses(state.best_model, val_streams, windows):
            summed, read = total, characters
            if time.monotonic() - said_at >= LONGEST_SILENCE:
                yield Pause(at.step)
                said_at = time.monotonic()
        loss = float(summed) / read
        if not math.isfinite(loss):
            raise DivergedError(f"training diverged at step {at.step}: validation loss {loss}", at.step + 1)
    probe = params.evaluation.probe_window
    probe_sum = probe_loss(state.best_model, streams, probe) if probe is not None else None
    improved = loss is None or at.best_loss is None or loss < at.best_loss
    at.evaluations_since_best = 0 if improved else at.evaluations_since_best + 1
    at.stale_evaluations = 0 if improved else at.stale_evaluations + 1
    if improved:
        at.best_loss, at.best_step = loss, at.step
    at.probe_loss = probe_sum
    if params.training.schedule == "plateau" and at.stale_evaluations >= params.training.decay_patience:
        at.decays, at.stale_evaluations = at.decays + 1, 0
    at.elapsed = time.monotonic() - resumed_at
    at.evaluated_step, at.evaluated_at = at.step, at.elapsed
    yield Evaluation(at.step, loss, probe_sum, improved, at.elapsed)


def _is_due_evaluation(params: Params, at: Progress) -> bool:
    looks = params.evaluation
    affordable = at.evaluation_seconds <= looks.max_share * at.elapsed
    return _is_due(looks.every_steps, looks.every_seconds if affordable else None, at, at.evaluated_at)


def _is_due_checkpoint(params: Params, at: Progress) -> bool:
    keep = params.checkpoint.keep_every_steps
    if keep is not None and at.step % keep == 0:
        return True
    return _is_due(params.checkpoint.every_steps, params.checkpoint.every_seconds, at, at.checkpointed_at)


def _is_due(every_steps: int | None, every_seconds: float | None, at: Progress, last: float) -> bool:
    by_steps = every_steps is not None and at.step % every_steps == 0
    return by_steps or (every_seconds is not None and at.elapsed - last >= every_seconds)


class _Block:
    """Updates not yet looked at: their figures stay on the device until the block is finished."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.grad_norms: list[Tensor] = []
        self.learning_rates: list[float] = []
        self.characters = 0
        self.started = time.monotonic()

    def add(self, loss: Tensor, grad_norm: Tensor, rate: float, characters: int) -> None:
        self.losses.append(loss)
        self.grad_norms.append(grad_norm)
        self.learning_rates.append(rate)
        self.characters += characters

    @property
    def age(self) -> float:
        """Time since the first update began (s)."""
        return time.monotonic() - self.started

    def finish(self, at: Progress, training: TrainingParams, num_windows: int) -> tuple[Steps, DivergedError | None]:
        """Return the updates as an event, up to one that diverged; and the error that says so, if one did."""
        losses, grad_norms = torch.stack([torch.stack(self.losses), torch.stack(self.grad_norms)]).tolist()
        first_step, good, diverged = at.step - len(losses) + 1, len(losses), None
        for offset, (loss, grad_norm) in enumerate(zip(losses, grad_norms, strict=True)):
            average = loss if at.smooth_loss is None else at.smooth_loss
            spike = training.spike_threshold is not None and loss > average + training.spike_threshold
            if spike or not (math.isfinite(loss) and math.isfinite(grad_norm)):
                good = offset
                diverged = DivergedError(
                    f"training diverged at step {first_step + offset}: loss {loss:.4g}, gradient norm {grad_norm:.4g} "
                    f"after an average loss of {average:.4g}; lower training.learning_rate (now "
                    f"{self.learning_rates[offset]:.3g}) or training.grad_clip (now {training.grad_clip})",
                    first_step + offset,
                )
                break
            at.smooth_loss = average + SMOOTHING * (loss - average)
        event = Steps(
            first_step=first_step,
            losses=tuple(losses[:good]),
            grad_norms=tuple(grad_norms[:good]),
            learning_rates=tuple(self.learning_rates[:good]),
            chars_per_second=self.characters / self.age,
            epoch=at.epoch + at.window / num_windows,
            progress=run_progress(training, at, num_windows),
            elapsed=at.elapsed,
            diverged=diverged is not None,
        )
        return event, diverged
