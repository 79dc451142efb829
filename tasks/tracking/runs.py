"""Runs as values: which run, where it is, what a store knows of it; the names of its files and tags.

Knows no MLflow: `tasks.tracking.mlflow` makes these values and takes them.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeGuard

from charrnn.data.folder import DataFolder

# The artifact folder of the checkpoints, and their names: there and on this machine.
CHECKPOINTS = "checkpoints"
BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"
# The weights a run starts from, when it starts from a trained model.
INITIAL = "initial.ckpt"
# Not `mlflow.parentRunId`: the UI would fold the run away under its parent, as if it were a part of it.
INIT_FROM_TAG, PARENT_TAG = "charrnn.init_from", "charrnn.parent_run_id"
# The newest flow run of a run, and all of them: each that goes on with it is one more.
FLOW_RUNS_TAG = "charrnn.flow_runs"
FLOW_RUN_TAG, _FLOW_RUN_ID = "prefect.flow_run_id", re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Digests of the text as it was fetched, of its ids and vocabulary, and of how they were divided.
CORPUS_TAG, BYTES_TAG, DATA_TAG, SPLIT_TAG = "corpus.sha256", "corpus.bytes", "data.digest", "splits.sha256"
LINEAGE_TAGS = (CORPUS_TAG, DATA_TAG, SPLIT_TAG)
LINEAGE_FILE = "lineage.safetensors"
# Of a run that started from a model of which it is not known what it was trained on.
PARENT_TEXT_TAG = "charrnn.parent_text"
# What is counted of the text, and what was found when it was compared with the champion's: NO_DRIFT, or sentences.
PROFILE_FILE = "profile.safetensors"
DRIFT_TAG, NO_DRIFT = "drift", "none"
# What was decided of the run's version, and the version that waits for a person's yes.
PROMOTION_TAG, WAITING_TAG = "promotion", "promotion.waiting"
# The newest checkpoint among the artifacts, and the bytes of the one that was registered.
STEP_TAG, SHA256_TAG = "checkpoint.step", "checkpoint.sha256"
# A sweep's run has the first: the trials that it is to have. The others are of its trials: the sweep, which the UI
# folds them under; the number, from 0; how it has ended, in the words of the sweep.
SWEEP_TAG = "charrnn.sweep.trials"
SWEEP_RUN_TAG, TRIAL_TAG, TRIAL_STATE_TAG = "mlflow.parentRunId", "charrnn.trial", "charrnn.trial.state"
# Times the run went on by itself after a crash.
RECOVERIES_TAG = "charrnn.recoveries"
PARAMS_FILE = "params.yaml"
SAMPLES_FILE = "samples/samples.json"
TRAINING_SAMPLES = "samples/training"
SOURCE_TAG = "corpus.source"
REPORT = "report"
# How the model card begins in the description of a registered version, which may stand below a sentence.
CARD_HEADING = "## Model card"


def is_flow_run_id(text: str | None) -> TypeGuard[str]:
    """Whether `text` is the id of a flow run of Prefect, and not that of a run in MLflow."""
    return text is not None and _FLOW_RUN_ID.fullmatch(text) is not None


@dataclass(frozen=True)
class RunRef:
    """A reference to one run, small enough to travel between tasks.

    Attributes:
        uri: of the tracking store, with credentials.
        run_id: of the run.
        experiment_id: of its experiment.
        started: when the run began (ms since 1970).
        data: the data folder, which holds the run's outbox and checkpoints.
    """

    uri: str
    run_id: str
    experiment_id: str
    started: int
    data: DataFolder

    @property
    def outbox(self) -> Path:
        """The folder in which the run's messages wait to be sent."""
        return self.data.outbox(self.run_id)

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints on this machine."""
        return self.data.checkpoints(self.run_id)

    @property
    def ui_path(self) -> str:
        """The run's page in the MLflow UI, in its view for trained models, from the server's address on."""
        return f"/#/experiments/{self.experiment_id}/runs/{self.run_id}?workflowType=machine_learning"


@dataclass(frozen=True)
class Champion:
    """The champion of a registered model.

    Attributes:
        name: of the registered model.
        version: its number.
        run_id: the run that trained it; '' where that was deleted for good, or none did.
        source: where the run's text came from; '' where that is not known.
        loss: of its best checkpoint on the test split, or else the validation split (nats per character); None where it
            has neither.
    """

    name: str
    version: str
    run_id: str
    source: str
    loss: float | None


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model; both are '' where the tracking store is away and gives them later."""

    name: str
    number: str


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended: its name, FINISHED, FAILED or KILLED, and when (ms since 1970)."""

    run: RunRef
    name: str
    status: str
    ended: int


@dataclass(frozen=True)
class RunRecord:
    """What a store knows of a run.

    Attributes:
        run_id: of the run.
        name: of the run.
        status: FINISHED, FAILED, KILLED or RUNNING.
        seconds: from its start to its end (s); None while it runs.
        params: flattened.
        metrics: name -> (step, value) in order of steps.
        sample: the middle one of its samples; '' where it has none.
    """

    run_id: str
    name: str
    status: str
    seconds: float | None
    params: dict[str, str]
    metrics: dict[str, list[tuple[int, float]]]
    sample: str

    def curve(self, metric: str) -> list[tuple[int, float]]:
        """Return (step, value) of `metric`; empty where the run has none."""
        return self.metrics.get(metric, [])

    def last(self, metric: str, of: Literal["value", "step"] = "value") -> float | None:
        """Return the last value of `metric`, or its step; None where the run has none."""
        rows = self.curve(metric)
        return rows[-1][0 if of == "step" else 1] if rows else None
