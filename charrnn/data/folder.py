"""The paths of the data folder that more than one module needs. Makes and reads nothing."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataFolder:
    """The folder `data.directory`: what a run needs on this machine and what it leaves there."""

    path: Path

    @property
    def outboxes(self) -> Path:
        """The folder that holds the outbox of each run."""
        return self.path / "outbox"

    def outbox(self, run_id: str) -> Path:
        """Return the folder in which the messages of run `run_id` wait to be sent."""
        return self.outboxes / run_id

    def checkpoints(self, run_id: str) -> Path:
        """Return the folder of the checkpoints of run `run_id`."""
        return self.path / "checkpoints" / run_id
