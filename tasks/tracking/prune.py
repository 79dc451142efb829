"""Checkpoints that runs which ended long ago do not need any more, and their removal.

The best checkpoint of a run always stays, and so do those that a run which has not finished needs to go on. Runs whose
model has an alias (the champion, or any other) keep all, and so do runs with messages in their outbox.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tasks.tracking.mlflow import Experiment, aliased_runs, artifact_sizes, delete_artifact
from tasks.tracking.outbox.queue import Outbox
from tasks.tracking.runs import BEST, CHECKPOINTS, INITIAL, LAST, PREVIOUS, EndedRun


@dataclass(frozen=True)
class Spare:
    """The checkpoints that one run does not need any more.

    Attributes:
        ended: the run.
        files: local path -> size (bytes).
        artifacts: path among the run's artifacts -> size (bytes).
    """

    ended: EndedRun
    files: dict[Path, int]
    artifacts: dict[str, int]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(self.files.values()) + sum(self.artifacts.values())

    def __len__(self) -> int:
        return len(self.files) + len(self.artifacts)

    def delete(self) -> None:
        """Delete them. Raises TrackingError or OSError; those that are left are found again the next time."""
        for path in self.artifacts:
            delete_artifact(self.ended.run, path)
        for local in self.files:
            local.unlink(missing_ok=True)


def spare_checkpoints(experiment: Experiment, before: int) -> Iterator[Spare]:
    """Yield the spare checkpoints of each run of the experiment that ended before `before` (ms since 1970).

    Raises:
        TrackingError: the store does not answer.
    """
    kept = aliased_runs(experiment.store)
    for ended in experiment.ended_runs():
        run = ended.run
        if ended.ended >= before or run.run_id in kept or Outbox(run.outbox).kept():
            continue
        files = {path.name: path for path in sorted(run.checkpoints.glob("*.ckpt"))}
        sizes = artifact_sizes(run, CHECKPOINTS)
        artifacts = {PurePosixPath(path).name: path for path in sizes}
        spare = Spare(
            ended,
            {files[name]: files[name].stat().st_size for name in _spare(ended.status, files)},
            {artifacts[name]: sizes[artifacts[name]] for name in _spare(ended.status, artifacts)},
        )
        if len(spare):
            yield spare


def _spare(status: str, names: Iterable[str]) -> set[str]:
    """Return which of the checkpoints `names`, all in one place, a run that ended with `status` does not need."""
    there = {name for name in names if name.endswith(".ckpt")}
    if status == "FINISHED":
        return there - ({BEST} if BEST in there else {LAST})
    return there - {BEST, LAST, PREVIOUS, INITIAL}
