"""A trial that was started, wherever it runs: what the sweep asks of it. Knows neither Optuna nor MLflow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Ended:
    """How what was started has ended.

    Attributes:
        died: whether it was killed or stopped by others, so that it can go on.
        reason: of a failure, in one line; '' where it has none to tell.
    """

    died: bool
    reason: str


class Launched(Protocol):
    """A trial that was started."""

    def poll(self) -> Ended | None:
        """Return how it has ended; None while it runs."""

    def stop(self) -> None:
        """Ask it to stop, as Ctrl-C asks a run; it ends soon afterwards."""


class Launcher(Protocol):
    """Starts trials."""

    def launch(self, trial: str, overrides: Sequence[str], resume: str | None) -> Launched:
        """Start a trial.

        Args:
            trial: its number, or `best-` and that of the best trial.
            overrides: its parameters.
            resume: the run that goes on; None for a new one.
        """

    def is_settled(self, trial: str) -> bool:
        """Whether nothing is left of what an earlier process of the sweep has started of the trial."""
