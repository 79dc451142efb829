"""Which checkpoints of runs that ended long ago are of no more use, and their removal.

The best checkpoint of a run always stays, and all that a run needs to go on, unless it has finished. Runs whose model
has an alias (the champion, or any other) are left alone, and so are runs with something in their outbox.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from charrnn.config.schema import Params
from tasks.tracking.checkpoints import PREVIOUS
from tasks.tracking.mlflow import aliased_runs, artifact_sizes, delete_artifact, ended_runs
from tasks.tracking.outbox.queue import Outbox
from tasks.tracking.runs import BEST, CHECKPOINTS, INITIAL, LAST, EndedRun


@dataclass(frozen=True)
class Spare:
    """What is of no more use of one run.

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
        """Delete all of it. Raises TrackingError or OSError; what is left is found again the next time."""
        for path in self.artifacts:
            delete_artifact(self.ended.run, path)
        for local in self.files:
            local.unlink(missing_ok=True)


def spare_checkpoints(params: Params, before: int) -> Iterator[Spare]:
    """Yield what is spare of each run of the experiment that ended before `before` (ms since 1970).

    Raises:
        TrackingError: the store does not answer.
    """
    kept = aliased_runs(params.tracking)
    for ended in ended_runs(params):
        run = ended.run
        if ended.ended >= before or run.run_id in kept or Outbox(run.outbox).kept():
            continue
        folder = Path(params.data.directory) / CHECKPOINTS / run.run_id
        files = {path.name: path for path in sorted(folder.glob("*.ckpt"))}
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
    """Return which of the checkpoints `names` in one place a run that ended with `status` can do without."""
    there = {name for name in names if name.endswith(".ckpt")}
    if status == "FINISHED":
        return there - ({BEST} if BEST in there else {LAST})
    return there - {BEST, LAST, PREVIOUS, INITIAL}
