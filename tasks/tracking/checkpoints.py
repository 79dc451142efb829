"""The checkpoints of a run: in a local folder, and copied to the run's artifacts, where other machines find them.

The folder is `<data.directory>/checkpoints/<run id>/`: `last.ckpt`, the one before it as `previous.ckpt`, `best.ckpt`,
`step-<number>.ckpt` for those that are kept for good, and `initial.ckpt` with the weights of the trained model that the
run starts from, if any.
"""

import logging
import tempfile
from itertools import product
from pathlib import Path
from typing import Literal

from charrnn.errors import CheckpointError, CheckpointVersionError, TrackingError
from charrnn.files import keep_as, sweep, write_bytes
from charrnn.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tasks.tracking.mlflow import download_artifact
from tasks.tracking.runs import BEST, CHECKPOINTS, INITIAL, LAST, PREVIOUS, STEP_TAG, RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")


class CheckpointFolder:
    """Saves and finds the checkpoints of one run."""

    def __init__(self, tracker: Tracker, upload: Literal["all", "best", "none"]) -> None:
        """Nothing is written until a checkpoint is saved.

        Args:
            tracker: of the run.
            upload: which checkpoints become artifacts of the run: all when they are saved, the best one at the end, or
                none.
        """
        self.folder = tracker.run.checkpoints
        self._tracker = tracker
        self._upload = upload

    def save_last(self, checkpoint: Checkpoint) -> None:
        """Write `checkpoint` as the newest; the one before it is kept until the next, in case this one is damaged.

        Metrics are written to disk first: no metric of a step before the checkpoint is lost, however the process ends.
        """
        self._tracker.flush()
        if (self.folder / LAST).exists():
            keep_as(self.folder / LAST, self.folder / PREVIOUS)
        save_checkpoint(self.folder / LAST, checkpoint)
        if self._upload == "all":
            self._upload_last(checkpoint.step)

    def save_best(self, checkpoint: Checkpoint) -> None:
        """Write `checkpoint` as the best so far."""
        self._save(checkpoint, BEST)

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write `checkpoint` under the name of its step; it is not replaced, and the store shows it as a model."""
        name = f"step-{checkpoint.step:08d}.ckpt"
        self._save(checkpoint, name)
        if self._upload == "all":
            self._tracker.checkpoint(f"{CHECKPOINTS}/{name}", checkpoint.step)

    def upload_at_end(self, step: int) -> None:
        """Upload what the run, which ends at `step`, should have among its artifacts and does not have yet.

        A process that was killed just after it wrote the last checkpoint had no time to upload it.
        """
        if self._upload == "all" and self._uploaded_step() != step:
            self._upload_last(step)
        if self._upload == "best" and (self.folder / BEST).exists():
            self._tracker.file(self.folder / BEST, CHECKPOINTS)

    def keep_initial(self, checkpoint: Checkpoint) -> None:
        """Keep the trained model that the run starts from, unless it is kept already."""
        if not (self.folder / INITIAL).exists():
            self._save(checkpoint, INITIAL)

    def initial(self) -> Checkpoint | None:
        """Return the trained model that the run starts from, or None when it starts from none."""
        path = self.folder / INITIAL
        return load_checkpoint(path) if path.exists() else None

    def last(self) -> Checkpoint | None:
        """Return the newest checkpoint that can be read, or None when there is none at all.

        If another machine has trained the run further, or this one never did, that is the one among its artifacts; it
        and the best one are downloaded into the folder.
        """
        sweep(self.folder)
        newest = self.last_here()
        if (newest.step if newest else 0) < self._uploaded_step():
            for name in (BEST, LAST):
                self._download(name)
            newest = self.last_here()
        return newest

    def _uploaded_step(self) -> int:
        """Return the step of the newest checkpoint among the run's artifacts; 0 when that is not known."""
        try:
            return int(self._tracker.tag(STEP_TAG) or 0)
        except TrackingError:
            return 0  # the store is away; the run goes on from the local folder

    def last_here(self, before: int | None = None) -> Checkpoint | None:
        """Return the newest checkpoint in the local folder, of a step below `before`, that can be read, or None.

        Raises:
            CheckpointVersionError: they are of another format version.
        """
        for name in (LAST, PREVIOUS, BEST):
            if (self.folder / name).exists():
                try:
                    found = load_checkpoint(self.folder / name)
                except CheckpointVersionError:
                    raise  # An older one has the same version, and the run is not to begin again from its first step.
                except CheckpointError as error:
                    logger.warning("warning   %s; trying an older one", error)
                    continue
                if before is None or found.step < before:
                    return found
        return None

    def _upload_last(self, step: int) -> None:
        self._tracker.file(self.folder / LAST, CHECKPOINTS)
        self._tracker.tags({STEP_TAG: str(step)})

    def _save(self, checkpoint: Checkpoint, name: str) -> None:
        save_checkpoint(self.folder / name, checkpoint)
        if self._upload == "all":
            self._tracker.file(self.folder / name, CHECKPOINTS)

    def _download(self, name: str) -> None:
        """Download an artifact into the folder, if the run has it and it can be read."""
        with tempfile.TemporaryDirectory() as temporary:
            path = download_artifact(self._tracker.run, f"{CHECKPOINTS}/{name}", Path(temporary))
            if path is None:
                return
            try:
                load_checkpoint(path, f"run {self._tracker.run.run_id}: artifact {CHECKPOINTS}/{name}")
            except CheckpointVersionError:
                raise
            except CheckpointError as error:
                logger.warning("warning   %s", error)
            else:
                write_bytes(self.folder / name, path.read_bytes())


def load_from_run(run: RunRef, names: tuple[str, ...] = (BEST, LAST)) -> Checkpoint:
    """Return the first of `names` that the run has, from the local folder or from its artifacts.

    Raises:
        CheckpointError: the run has none that can be read.
    """
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, is_here in product(names, (True, False)):
            try:
                artifact = f"{CHECKPOINTS}/{name}"
                path = run.checkpoints / name if is_here else download_artifact(run, artifact, Path(temporary))
                if path is None or not path.exists():
                    continue
                checkpoint = load_checkpoint(path)
            except (CheckpointError, TrackingError) as error:
                problems.append(str(error).replace(temporary, "artifacts"))
            else:
                for problem in problems:
                    logger.warning("warning   %s; another copy is taken", problem)
                return checkpoint
    reason = "; ".join(problems) or "none was saved before it ended, or tracking.upload_checkpoints was none"
    raise CheckpointError(f"run {run.run_id}: has no checkpoint to load: {reason}")
