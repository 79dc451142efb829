"""Runs as values: which run, where, and what a store knows of it; the names that runs give their files and tags.

Knows no MLflow: `tasks.tracking.mlflow` makes these values and takes them.
"""

import re
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

CHECKPOINTS = "checkpoints"
BEST, LAST = "best.ckpt", "last.ckpt"
# What a run that starts from a trained model keeps of it, and its tags. Not `mlflow.parentRunId`: the UI would hide the
# run under its parent until that is unfolded, as if it were a part of it.
INITIAL = "initial.ckpt"
INIT_FROM_TAG, PARENT_TAG = "charrnn.init_from", "charrnn.parent_run_id"
FLOW_RUN_TAG, FLOW_RUN_ID = "prefect.flow_run_id", re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PARAMS_FILE = "params.yaml"
SAMPLES_FILE = "samples/samples.json"


@dataclass(frozen=True)
class RunRef:
    """Which run, where: small, so that it can travel between tasks.

    Attributes:
        uri: of the tracking store, with credentials.
        run_id: of the run.
        experiment_id: of its experiment.
        started: when the run began (ms since 1970).
        outbox: the folder in which what it reports waits to be sent.
    """

    uri: str
    run_id: str
    experiment_id: str
    started: int
    outbox: Path

    @property
    def ui_path(self) -> str:
        """The run's page in the MLflow UI, in its view for trained models, from the server's address on."""
        return f"/#/experiments/{self.experiment_id}/runs/{self.run_id}?workflowType=machine_learning"


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended: its name, FINISHED, FAILED or KILLED, and when (ms since 1970)."""

    run: RunRef
    name: str
    status: str
    ended: int


@dataclass(frozen=True)
class RunRecord:
    """What a store knows of a run, for those who only read.

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

    def median(self, metric: str) -> float | None:
        """Return the median of `metric`; None where the run has none."""
        rows = self.curve(metric)
        return statistics.median(value for _, value in rows) if rows else None
