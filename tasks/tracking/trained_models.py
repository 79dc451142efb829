"""Trained models, found by what a person calls them: a run, a checkpoint file, a registered model.

A run that starts from one keeps its weights as a checkpoint of its own, so that it does not need the original again.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from charrnn.errors import CheckpointError, TrackingError
from charrnn.training.checkpoint import Checkpoint, load_checkpoint
from charrnn.undecodable import escaped
from tasks.tracking.checkpoints import load_from_run
from tasks.tracking.mlflow import Experiment, ModelMissingError, Store, download_model
from tasks.tracking.naming import kind_of
from tasks.tracking.runs import INIT_FROM_TAG, INITIAL, PARENT_TAG, RunRef
from tasks.tracking.tracker import Tracker


@dataclass(frozen=True)
class Origin:
    """Where a trained model comes from.

    Attributes:
        reference: what it was found by: a run id, the path of a file, a registered model.
        run_id: the run that trained it; '' when no run did.
        step: optimizer steps it was trained for.
        ui_path: that run's page in the MLflow UI, from the server's address on; '' where the store has no such run.
    """

    reference: str
    run_id: str
    step: int
    ui_path: str

    @property
    def tags(self) -> dict[str, str]:
        """The tags of a run that starts from the model."""
        return {INIT_FROM_TAG: self.reference} | ({PARENT_TAG: self.run_id} if self.run_id else {})

    def words(self, run: str = "") -> str:
        """Return one phrase; `run` stands for the run id, such as a link."""
        step = f"step {self.step:,} of run {run or self.run_id or 'unknown'}"
        return step if self.reference == self.run_id else f"{step} ({self.reference})"


@dataclass(frozen=True)
class TrainedModel:
    """A checkpoint with nothing but the weights, and where it comes from."""

    origin: Origin
    checkpoint: Checkpoint


def find_model(experiment: Experiment, wanted: str) -> TrainedModel:
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
        run = experiment.find_run(wanted)
        checkpoint, reference = load_from_run(run), run.run_id
    else:
        try:
            checkpoint, reference = load_registered(experiment.store, wanted), wanted
        except ModelMissingError as error:
            raise TrackingError(f"{str(error).rstrip('.')}; nor is it a checkpoint file or a run id") from None
    return _trained_model(experiment, reference, checkpoint)


def initial_model(experiment: Experiment, run: RunRef) -> TrainedModel | None:
    """Return the trained model that `run` started from, of which it keeps the weights; None when there was none.

    Raises:
        CheckpointError: the weights that it kept are gone.
        TrackingError: the store does not answer.
    """
    reference = Tracker(run).tag(INIT_FROM_TAG)
    if not reference:
        return None
    return _trained_model(experiment, reference, load_from_run(run, (INITIAL,)))


def load_registered(store: Store, wanted: str) -> Checkpoint:
    """Return the checkpoint in registered model `NAME`, `NAME@alias` or `NAME/VERSION`.

    Raises:
        TrackingError: there is no such model, alias or version, or the store does not answer.
        CheckpointError: it holds no checkpoint that can be read.
    """
    wanted = escaped(wanted)  # as it was registered
    with tempfile.TemporaryDirectory() as temporary:
        folder = download_model(store, wanted, Path(temporary))
        found = sorted(folder.rglob("*.ckpt"))
        if not found:
            raise CheckpointError(f"model {wanted}: holds no charrnn checkpoint")
        return load_checkpoint(found[0], f"model {wanted}")


def _trained_model(experiment: Experiment, reference: str, checkpoint: Checkpoint) -> TrainedModel:
    ui_path = ""
    if checkpoint.run_id:
        try:
            ui_path = experiment.find_run(checkpoint.run_id).ui_path
        except TrackingError:
            ui_path = ""  # trained elsewhere, or deleted for good
    return TrainedModel(
        Origin(escaped(reference), checkpoint.run_id, checkpoint.step, ui_path), checkpoint.weights_only()
    )
