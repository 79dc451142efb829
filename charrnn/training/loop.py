"""The training loop: an iterator of events; does not know what its caller does with them.

Truncated back-propagation through time (Williams & Peng 1990): each window starts from the hidden state in which the
last one ended, without gradients through it. To stop, close the generator. At every event the state is complete and can
be saved, unless a `Steps` says `diverged`, and training goes on from it as if nothing had happened. An event comes at
least about every second.
"""

import copy
import time
from collections.abc import Iterator

import torch

from charrnn.config.schema import Params
from charrnn.data.windows import Windows
from charrnn.errors import ParamsError
from charrnn.evaluation.losses import mean_loss, probe_loss, summed_losses
from charrnn.training.divergence import check_evaluation
from charrnn.training.events import CheckpointDue, Evaluation, Pause, ThreadsChanged, TrainEvent
from charrnn.training.graphs import computation_for
from charrnn.training.limits import is_too_long, what_is_due
from charrnn.training.pending import PendingSteps
from charrnn.training.state import Progress, TrainState
from charrnn.training.step import make_step
from charrnn.training.threads import Threads


def train(
    state: TrainState,
    streams: Windows,
    val_streams: Windows | None,
    params: Params,
    threads: Threads | None = None,
) -> Iterator[TrainEvent]:
    """Train `state` on `streams` until `params.training` says it is enough, yielding what happens.

    Args:
        state: changed in place.
        streams: the training split.
        val_streams: the validation split; None for none.
        params: training, evaluation and checkpoint sections are used.
        threads: what chose the number of threads, and may choose again; None to leave it as it is.

    Raises:
        DivergedError: see `charrnn.training.divergence`. The steps before it have been yielded; the state is not to be
            saved.
        ParamsError: the training text has no window number `evaluation.probe_window`.
        RankError: one of several processes that train together has ended; the state is not to be saved.
    """
    _check_probe(params, streams)
    at = state.progress
    pending: PendingSteps | None = None
    # What evaluations read of the training split is always of epoch 0; a copy shares its ids, not its place in them.
    probed = copy.copy(streams)
    computation = computation_for(state, streams, params.training)
    resumed_at = time.monotonic() - at.elapsed
    while True:
        due = what_is_due(params, at, streams.num_windows, pending.age if pending else None)
        if pending and due.report:
            event, diverged = pending.report(at, params.training, streams.num_windows)
            if threads is not None:
                threads.note(event.chars_per_second, pending.age)
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
        elif pending is None and threads is not None and threads.trial_is_due and threads.has_time(at.elapsed):
            yield from _choose_threads(threads, state, streams)
            at.elapsed = time.monotonic() - resumed_at
        else:
            pending = pending or PendingSteps()
            pending.add(*make_step(state, streams, params.training, computation))
            at.elapsed = time.monotonic() - resumed_at


def _choose_threads(threads: Threads, state: TrainState, streams: Windows) -> Iterator[Pause | ThreadsChanged]:
    at, before, said_at = state.progress, torch.get_num_threads(), time.monotonic()
    for _ in threads.choose(state, streams):
        if is_too_long(time.monotonic() - said_at):
            yield Pause(at.step)
            said_at = time.monotonic()
    if at.threads is not None and at.threads != before:
        yield ThreadsChanged(at.step, before, at.threads)


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
