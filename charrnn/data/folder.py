"""The data folder, `data.directory`: what lies where in it. Touches nothing on the disk."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataFolder:
    """The places in the folder `path`; none of them need exist."""

    path: Path

    @property
    def downloads(self) -> Path:
        """What is being downloaded or unpacked."""
        return self.path / "downloads"

    @property
    def corpora(self) -> Path:
        """Texts that were fetched, each under its SHA-256, and in `sources/` the index of where they are from."""
        return self.path / "corpora"

    @property
    def encoded(self) -> Path:
        """Encoded texts, a folder each."""
        return self.path / "encoded"

    @property
    def sweeps(self) -> Path:
        """The logs of the trials of sweeps, a folder each; the studies, where MLflow is a server."""
        return self.path / "sweeps"

    def checkpoints(self, run_id: str) -> Path:
        """Return the folder of the checkpoints of the run `run_id`."""
        return self.path / "checkpoints" / run_id

    @property
    def outboxes(self) -> Path:
        """The outboxes of all runs; absolute, since another process may send what waits there."""
        return self.path.absolute() / "outbox"

    @property
    def prefect(self) -> Path:
        """What the Prefect servers of single runs keep: their database and their log; absolute."""
        return self.path.absolute() / "prefect"

    def outbox(self, run_id: str) -> Path:
        """Return the folder of what the run `run_id` has yet to send to the tracking store; absolute."""
        return self.outboxes / run_id
