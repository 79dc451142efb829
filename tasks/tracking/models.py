"""Trained models, found by what a person calls them: a run, a checkpoint file, a registered model.

Also what a run that started from one keeps of it: a checkpoint of its own, so that it can go on without it.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from charrnn.config.schema import Params, TrackingParams
from charrnn.errors import CheckpointError, TrackingError
from charrnn.training.checkpoint import Checkpoint, load_checkpoint
from tasks.tracking.checkpoints import load_from_run
from tasks.tracking.mlflow import download_model, find_run
from tasks.tracking.naming import kind_of
from tasks.tracking.runs import INIT_FROM_TAG, INITIAL, PARENT_TAG, RunRef
from tasks.tracking.tracker import Tracker


@dataclass(frozen=True)
class Origin:
    """Where the weights that a run starts from are from.

    Attributes:
        reference: what they were found by: a run id, the path of a file, a registered model.
        run_id: the run that trained them; '' outside of one.
        step: the updates they had.
        ui_path: that run's page in the MLflow UI, from the server's address on; '' where the store has no such run.
    """

    reference: str
    run_id: str
    step: int
    ui_path: str

    @property
    def tags(self) -> dict[str, str]:
        """What the run that starts from it says about it."""
        return {INIT_FROM_TAG: self.reference} | ({PARENT_TAG: self.run_id} if self.run_id else {})

    def words(self, run: str = "") -> str:
        """Return one phrase; `run` stands for the run id, such as a link."""
        step = f"step {self.step:,} of run {run or self.run_id or 'unknown'}"
        return step if self.reference == self.run_id else f"{step} ({self.reference})"


@dataclass(frozen=True)
class Parent:
    """The trained model that a run starts from: a checkpoint with nothing but its weights, and where it is from."""

    origin: Origin
    checkpoint: Checkpoint


def find_parent(params: Params, wanted: str) -> Parent:
    """Return the model of checkpoint file, run (an id, or `last`) or registered model `wanted`.

    Raises:
        CheckpointError: the file or the run's checkpoint is damaged, or the run has none.
        FileError: the file cannot be read.
        ParamsError: it names a run and a file.
        TrackingError: there is no such run or registered model, or the store does not answer.
    """
    kind = kind_of(wanted)
    if kind == "file":
        checkpoint, reference = load_checkpoint(Path(wanted)), str(Path(wanted).absolute())
    elif kind == "run":
        run = find_run(params, wanted)
        checkpoint, reference = load_from_run(params, run), run.run_id
    else:
        try:
            checkpoint, reference = load_registered(params.tracking, wanted), wanted
        except TrackingError as error:
            raise TrackingError(f"{str(error).rstrip('.')}; nor is it a checkpoint file or a run id") from None
    return _parent(params, reference, checkpoint)


def parent_of(params: Params, run: RunRef) -> Parent | None:
    """Return what `run` started from, from what it kept of it; None when it started from nothing.

    Raises:
        CheckpointError: what it kept is gone.
    """
    reference = Tracker(run).tag(INIT_FROM_TAG)
    if not reference:
        return None
    return _parent(params, reference, load_from_run(params, run, (INITIAL,)))


def load_registered(params: TrackingParams, wanted: str) -> Checkpoint:
    """Return the checkpoint in registered model `NAME`, `NAME@alias` or `NAME/VERSION`.

    Raises:
        TrackingError: there is no such model, alias or version, or the store does not answer.
        CheckpointError: it holds no checkpoint that can be read.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = download_model(params, wanted, Path(temporary))
        found = sorted(folder.rglob("*.ckpt"))
        if not found:
            raise CheckpointError(f"model {wanted}: holds no charrnn checkpoint")
        return load_checkpoint(found[0])


def _parent(params: Params, reference: str, checkpoint: Checkpoint) -> Parent:
    ui_path = ""
    if checkpoint.run_id:
        try:
            ui_path = find_run(params, checkpoint.run_id).ui_path
        except TrackingError:
            ui_path = ""  # trained elsewhere, or deleted for good
    return Parent(Origin(reference, checkpoint.run_id, checkpoint.step, ui_path), checkpoint.weights_only())
