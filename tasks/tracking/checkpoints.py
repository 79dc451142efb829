"""Where a run's checkpoints are: a local folder first, the run's artifacts as the copy that travels.

The local folder is `<data.directory>/checkpoints/<run id>/` with `last.ckpt`, the one before it as `previous.ckpt`,
`best.ckpt` and, when asked for, `step-<number>.ckpt`; a run that starts from a trained model has its weights in
`initial.ckpt`.
"""

import logging
import tempfile
from itertools import product
from pathlib import Path

from charrnn.config.schema import Params
from charrnn.errors import CheckpointError, TrackingError
from charrnn.files import keep_as, sweep, write_bytes
from charrnn.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tasks.tracking.mlflow import download
from tasks.tracking.runs import BEST, CHECKPOINTS, INITIAL, LAST, RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")

PREVIOUS = "previous.ckpt"
STEP_TAG = "checkpoint.step"


class CheckpointFolder:
    """Saves and finds the checkpoints of one run."""

    def __init__(self, params: Params, tracker: Tracker) -> None:
        """Nothing is touched until something is saved."""
        self.folder = Path(params.data.directory) / CHECKPOINTS / tracker.run.run_id
        self._tracker = tracker
        self._upload = params.tracking.upload_checkpoints

    def save_last(self, checkpoint: Checkpoint) -> None:
        """Write `checkpoint` as the newest; the one before it is kept until the next, in case this one gets damaged.

        Metrics go first, so that none of a step before the checkpoint is missing however the process ends.
        """
        self._tracker.flush()
        if (self.folder / LAST).exists():
            keep_as(self.folder / LAST, self.folder / PREVIOUS)
        save_checkpoint(self.folder / LAST, checkpoint)
        if self._upload == "all":
            self._copy_last(checkpoint.step)

    def save_best(self, checkpoint: Checkpoint) -> None:
        """Write `checkpoint` as the best so far."""
        self._save(checkpoint, BEST)

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write `checkpoint` under a name of its own, for good."""
        self._save(checkpoint, f"step-{checkpoint.step:08d}.ckpt")

    def upload_at_end(self, step: int) -> None:
        """Copy what the run is to have when it ends at `step` and does not have yet.

        A process that was killed just after it wrote the last checkpoint had no time to copy it.
        """
        if self._upload == "all" and self._last_elsewhere() != step:
            self._copy_last(step)
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

        Where the run went on elsewhere in the meantime, or was never here, that is the one among its artifacts; it and
        the best one are copied into the folder.
        """
        sweep(self.folder)
        newest = self.last_here()
        if (newest.step if newest else 0) < self._last_elsewhere():
            for name in (BEST, LAST):
                self._fetch(name)
            newest = self.last_here()
        return newest

    def _last_elsewhere(self) -> int:
        """Return the step of the newest checkpoint among the run's artifacts; 0 where it cannot be known."""
        try:
            return int(self._tracker.tag(STEP_TAG) or 0)
        except TrackingError:
            return 0  # the store is away; the run goes on with what is here

    def last_here(self, before: int | None = None) -> Checkpoint | None:
        """Return the newest checkpoint of the local folder, of a step below `before`, that can be read, or None."""
        for name in (LAST, PREVIOUS, BEST):
            if (self.folder / name).exists():
                try:
                    found = load_checkpoint(self.folder / name)
                except CheckpointError as error:
                    logger.warning("warning   %s; trying an older one", error)
                    continue
                if before is None or found.step < before:
                    return found
        return None

    def _copy_last(self, step: int) -> None:
        self._tracker.file(self.folder / LAST, CHECKPOINTS)
        self._tracker.tags({STEP_TAG: str(step)})

    def _save(self, checkpoint: Checkpoint, name: str) -> None:
        save_checkpoint(self.folder / name, checkpoint)
        if self._upload == "all":
            self._tracker.file(self.folder / name, CHECKPOINTS)

    def _fetch(self, name: str) -> None:
        """Copy an artifact into the folder, if the run has it and it is sound."""
        with tempfile.TemporaryDirectory() as temporary:
            path = download(self._tracker.run, f"{CHECKPOINTS}/{name}", Path(temporary))
            if path is None:
                return
            try:
                load_checkpoint(path)
            except CheckpointError as error:
                logger.warning("warning   %s", error)
            else:
                write_bytes(self.folder / name, path.read_bytes())


def load_from_run(params: Params, run: RunRef, names: tuple[str, ...] = (BEST, LAST)) -> Checkpoint:
    """Return the first of `names` the run has, from the local folder or from its artifacts.

    Raises:
        CheckpointError: the run has none that can be read.
    """
    local = Path(params.data.directory) / CHECKPOINTS / run.run_id
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, is_here in product(names, (True, False)):
            try:
                path = local / name if is_here else download(run, f"{CHECKPOINTS}/{name}", Path(temporary))
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
