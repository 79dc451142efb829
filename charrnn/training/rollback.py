"""Training that goes back after a divergence: to the newest good state, and on at half the learning rate."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from charrnn.config.schema import Params
from charrnn.data.windows import Windows
from charrnn.errors import DivergedError
from charrnn.training.events import RolledBack, TrainEvent
from charrnn.training.loop import train
from charrnn.training.state import TrainState
from charrnn.training.threads import Threads


class SavedState(Protocol):
    """A state that was saved: a checkpoint, or a copy in memory."""

    @property
    def step(self) -> int:
        """Optimizer steps done."""

    @property
    def state(self) -> Mapping[str, Any]:
        """What `TrainState.to_dict` gave."""


FindSaved = Callable[[int | None], SavedState | None]
"""Returns the newest saved state of a step below the given one (None: of any step), or None where there is none."""


class MemoryStates:
    """The last two saved states, in memory; called, it is a `FindSaved`."""

    def __init__(self) -> None:
        self._states: list[_Copy] = []

    def save(self, state: TrainState) -> None:
        """Keep a copy of `state`."""
        self._states = [*self._states[-1:], _Copy(state)]

    def __call__(self, before: int | None) -> SavedState | None:
        """Return the newest state of a step below `before`."""
        return next((copy for copy in reversed(self._states) if before is None or copy.step < before), None)


class _Copy:
    def __init__(self, state: TrainState) -> None:
        self.step = state.progress.step
        self.state = state.to_dict()


def train_with_rollback(
    state: TrainState,
    streams: Windows,
    val_streams: Windows | None,
    params: Params,
    find_saved: FindSaved,
    threads: Threads | None = None,
) -> Iterator[TrainEvent]:
    """Train as `charrnn.training.loop.train` does, but go back when it diverges, and yield a `RolledBack` for it.

    Args:
        state: changed in place.
        streams: the training split.
        val_streams: the validation split; None for none.
        params: training, evaluation and checkpoint sections are used.
        find_saved: finds what was saved of this training; the caller saves at the events that ask for it, and once
            before the first.
        threads: as `train`.

    Raises:
        DivergedError: more than `training.max_rollbacks` times, or nothing was saved.
        ParamsError, RankError: as `train`.
    """
    while True:
        try:
            yield from train(state, streams, val_streams, params, threads)
        except DivergedError as error:
            if state.progress.rollbacks >= params.training.max_rollbacks:
                raise
            yield _roll_back(state, error, find_saved)
        else:
            return


def _roll_back(state: TrainState, error: DivergedError, find_saved: FindSaved) -> RolledBack:
    """Go back to the last good weights and halve the learning rate.

    Steps and time are not taken back: a step that diverged was made all the same, and the run's history has each step
    once.
    """
    at = state.progress
    # A checkpoint that was made just before the divergence was seen contains the step that diverged.
    saved = find_saved(error.step - 1) or find_saved(None)
    if saved is None:
        raise error
    state.load_dict(saved.state)
    now = state.progress
    now.step, now.elapsed, now.evaluation_seconds = error.step - 1, at.elapsed, at.evaluation_seconds
    now.characters, now.threads = at.characters, at.threads
    now.best_loss, now.best_step = at.best_loss, at.best_step
    now.rollbacks, now.rate_factor = at.rollbacks + 1, at.rate_factor / 2
    return RolledBack(error.step, str(error), saved.step, now.rate_factor, now.rollbacks)
