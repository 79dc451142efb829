"""The data folder, `data.directory`: what lies where in it. Touches nothing on the disk."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataFolder:
    """The places in the folder `directory`; none of them need exist."""

    directory: str | Path

    @property
    def downloads(self) -> Path:
        """What is being downloaded or unpacked."""
        return Path(self.directory) / "downloads"

    @property
    def corpora(self) -> Path:
        """Texts that were fetched, each under its SHA-256, and in `sources/` the index of where they are from."""
        return Path(self.directory) / "corpora"

    @property
    def encoded(self) -> Path:
        """Encoded texts, a folder each."""
        return Path(self.directory) / "encoded"

    def checkpoints(self, run_id: str) -> Path:
        """Return the folder of the checkpoints of the run `run_id`."""
        return Path(self.directory) / "checkpoints" / run_id

    @property
    def outboxes(self) -> Path:
        """The outboxes of all runs; absolute, since another process may send what waits there."""
        return Path(self.directory).absolute() / "outbox"

    def outbox(self, run_id: str) -> Path:
        """Return the folder of what the run `run_id` has yet to send to the tracking store; absolute."""
        return self.outboxes / run_id
