"""Where a run's checkpoints are: a local folder first, the run's artifacts as the copy that travels.

The local folder is `<data.directory>/checkpoints/<run id>/` with `last.ckpt`, `best.ckpt` and, when asked for,
`step-<number>.ckpt`.
"""

import logging
import tempfile
from itertools import product
from pathlib import Path

from charrnn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from charrnn.errors import CheckpointError, TrackingError
from charrnn.params import Params
from tasks.tracking import BEST, CHECKPOINTS, LAST, RunRef, Tracker, download

logger = logging.getLogger("charrnn")


class CheckpointFolder:
    """Saves and finds the checkpoints of one run."""

    def __init__(self, params: Params, tracker: Tracker) -> None:
        """Nothing is touched until something is saved."""
        self.folder = Path(params.data.directory) / CHECKPOINTS / tracker.run.run_id
        self._tracker = tracker
        self._upload = params.tracking.upload_checkpoints

    def save(self, checkpoint: Checkpoint, name: str) -> None:
        """Write `checkpoint` as `name`, and copy it to the run when every one is to be uploaded."""
        save_checkpoint(self.folder / name, checkpoint)
        if self._upload == "all":
            self._tracker.file(self.folder / name, CHECKPOINTS)

    def upload_at_end(self) -> None:
        """Copy what the run is to have and does not have yet."""
        if self._upload == "best" and (self.folder / BEST).exists():
            self._tracker.file(self.folder / BEST, CHECKPOINTS)

    def last(self) -> Checkpoint | None:
        """Return the newest checkpoint that can be read, here or among the artifacts, or None when there is none."""
        checkpoint, problems = _first_readable(self.folder, self._tracker.run, (LAST, BEST))
        _warn(problems)
        return checkpoint


def load_from_run(params: Params, run: RunRef, names: tuple[str, ...] = (BEST, LAST)) -> Checkpoint:
    """Return the first of `names` the run has, from the local folder or from its artifacts.

    Raises:
        CheckpointError: the run has none that can be read.
    """
    checkpoint, problems = _first_readable(Path(params.data.directory) / CHECKPOINTS / run.run_id, run, names)
    if checkpoint is None:
        reason = "; ".join(problems) or "none was saved before it ended, or tracking.upload_checkpoints was none"
        raise CheckpointError(f"run {run.run_id}: has no checkpoint to load: {reason}")
    _warn(problems)
    return checkpoint


def _first_readable(folder: Path, run: RunRef, names: tuple[str, ...]) -> tuple[Checkpoint | None, list[str]]:
    """Return the first of `names` that can be read, in `folder` or as an artifact, and what was wrong with others."""
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, is_local in product(names, (True, False)):
            try:
                path = folder / name if is_local else download(run, f"{CHECKPOINTS}/{name}", Path(temporary))
                if path is not None and path.exists():
                    return load_checkpoint(path), problems
            except (CheckpointError, TrackingError) as error:
                problems.append(str(error).replace(temporary, "artifacts"))
    return None, problems


def _warn(problems: list[str]) -> None:
    for problem in problems:
        logger.warning("warning   %s; looking for another", problem)
