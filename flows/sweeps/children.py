"""The runs of the trials of one sweep, in the tracking store; waits while that is away."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from charrnn.errors import TrackingError
from flows.sweeps.patience import AwayError, Stopping, patiently
from tasks.tracking.mlflow import Experiment, StoreError, read_curves, run_status, run_tag, set_tags
from tasks.tracking.runs import SWEEP_RUN_TAG, TRIAL_STATE_TAG, TRIAL_TAG, RunRef
from tasks.tracking.tracker import send_pending

LOSS, PROGRESS = "val/loss", "train/progress"

T = TypeVar("T")


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of a run: the share of the run that was done (0 to 1), and the loss (nats per character)."""

    progress: float
    loss: float


class Children:
    """The runs of the trials of the sweep `sweep`."""

    def __init__(self, experiment: Experiment, sweep: RunRef, stopping: Stopping) -> None:
        """No request is made; `stopping` is set when the sweep is to end."""
        self._experiment, self._sweep, self._stopping = experiment, sweep, stopping

    def any(self) -> bool:
        """Return whether any trial has a run. Raises TrackingError."""
        return bool(self._ask(lambda: self._experiment.tagged_runs({SWEEP_RUN_TAG: self._sweep.run_id}, 1)))

    def find(self, trial: str) -> RunRef | None:
        """Return the run of a trial; None where it has none yet. Raises TrackingError."""
        tags = {SWEEP_RUN_TAG: self._sweep.run_id, TRIAL_TAG: trial}
        found = self._ask(lambda: self._experiment.tagged_runs(tags, 1))
        return found[0] if found else None

    def status(self, run: RunRef) -> str:
        """Return the status of a trial's run, after what it has left on this machine was sent. Raises TrackingError."""

        def status() -> str:
            send_pending(run)
            return run_status(run)

        return self._ask(status)

    def error(self, run: RunRef) -> str:
        """Return why the run failed, as far as it has said. Raises TrackingError."""
        return self._ask(lambda: run_tag(run, "error"))

    def evaluations(self, run: RunRef) -> list[Evaluated]:
        """Return the evaluations of a run that were delivered, in order. Raises TrackingError."""
        curves = self._ask(lambda: read_curves(run, [LOSS, PROGRESS]))
        losses, progress = curves[LOSS], curves[PROGRESS]
        return [Evaluated(progress.get(step, 0.0), losses[step]) for step in sorted(losses)]

    def mark(self, run: RunRef, state: str) -> None:
        """Say on the run's page how the trial has ended. Raises TrackingError."""
        self._ask(lambda: set_tags(run, {TRIAL_STATE_TAG: state}))

    def _ask(self, request: Callable[[], T]) -> T:
        def translated() -> T:
            try:
                return request()
            except StoreError as error:
                if error.refused:
                    raise TrackingError(str(error)) from None
                raise AwayError(str(error)) from None

        return patiently(translated, self._stopping)
