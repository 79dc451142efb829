"""What happens during training, as values: the loop yields them, its caller decides what to do with them."""

from dataclasses import dataclass

from charrnn.wording import counted


@dataclass(frozen=True)
class Steps:
    """Some optimizer steps in a row; their figures are read from the device together.

    Attributes:
        first_step: number of the first (from 1); the others follow.
        losses: training loss of each (nats per character).
        grad_norms: norm of each gradient before clipping.
        learning_rates: learning rate of each.
        chars_per_second: speed of these steps alone.
        characters: predictions that all steps of the run so far were made from.
        epoch: passes through the training text, in fractions.
        progress: share of the run that is done, 0 to 1; None where nothing says when it ends.
        elapsed: training time so far (s).
        diverged: the step after them diverged; the state already contains it and is not to be saved.
    """

    first_step: int
    losses: tuple[float, ...]
    grad_norms: tuple[float, ...]
    learning_rates: tuple[float, ...]
    chars_per_second: float
    characters: int
    epoch: float
    progress: float | None
    elapsed: float
    diverged: bool

    @property
    def last_step(self) -> int:
        """Number of the last step."""
        return self.first_step + len(self.losses) - 1


@dataclass(frozen=True)
class Evaluation:
    """The model was evaluated.

    Attributes:
        step: optimizer steps done.
        loss: on the validation split (nats per character); None without one.
        probe_loss: the Flux reference's probe (see `charrnn.evaluation.losses.probe_loss`); None when not asked for.
        improved: this is the best so far, worth keeping; without a validation split the latest is the best.
        elapsed: training time so far (s), this evaluation included.
    """

    step: int
    loss: float | None
    probe_loss: float | None
    improved: bool
    elapsed: float


@dataclass(frozen=True)
class CheckpointDue:
    """The state is to be saved now. `keep`: for good, beside the last and the best."""

    step: int
    keep: bool


@dataclass(frozen=True)
class Pause:
    """Nothing to report: a chance to stop in the middle of an evaluation or a trial, which then begins again."""

    step: int


@dataclass(frozen=True)
class RolledBack:
    """Training diverged and goes on from a state that was saved before.

    Attributes:
        step: the step that diverged.
        reason: what diverged, in one line.
        to_step: step of the state that training goes on from.
        rate_factor: what the schedule's learning rate is multiplied with from here on.
        times: rollbacks of this run so far.
    """

    step: int
    reason: str
    to_step: int
    rate_factor: float
    times: int


@dataclass(frozen=True)
class ThreadsChanged:
    """From the next step on, steps are made with `threads` CPU threads: faster in a trial than those `before`."""

    step: int
    before: int
    threads: int

    def __str__(self) -> str:
        return f"{counted(self.threads, 'thread')} from here on instead of {self.before}: faster in a trial"


TrainEvent = Steps | Evaluation | CheckpointDue | Pause | RolledBack | ThreadsChanged


def can_stop_at(event: TrainEvent) -> bool:
    """Whether the state is complete at `event`, so that it can be saved and training can stop there."""
    return not (isinstance(event, Steps) and event.diverged)
