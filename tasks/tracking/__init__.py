"""The MLflow room: the only package that imports mlflow.

Finds, starts and reads runs and models, and brings what runs report (`tasks.operations`) to the store. Everything goes
through `MlflowClient` with a run id, so that it works from any thread or process; there is no active run.
"""

from tasks.tracking.delivery import Delivery
from tasks.tracking.models import alias_version, aliased_runs, download_model, registered_version, set_champion
from tasks.tracking.records import SAMPLES_FILE, RunRecord, read_run
from tasks.tracking.runs import (
    BEST,
    CHECKPOINTS,
    FLOW_RUN_ID,
    FLOW_RUN_TAG,
    INIT_FROM_TAG,
    INITIAL,
    LAST,
    PARAMS_FILE,
    PARENT_TAG,
    EndedRun,
    RunRef,
    artifact_sizes,
    delete_artifact,
    download,
    ended_runs,
    find_run,
    last_runs,
    reopen_run,
    run_at,
    run_params,
    run_tag,
    start_run,
    take_over,
)
from tasks.tracking.store import connect, reason, reporting
from tasks.tracking.system import system_figures

__all__ = [
    "BEST",
    "CHECKPOINTS",
    "FLOW_RUN_ID",
    "FLOW_RUN_TAG",
    "INITIAL",
    "INIT_FROM_TAG",
    "LAST",
    "PARAMS_FILE",
    "PARENT_TAG",
    "SAMPLES_FILE",
    "Delivery",
    "EndedRun",
    "RunRecord",
    "RunRef",
    "alias_version",
    "aliased_runs",
    "artifact_sizes",
    "connect",
    "delete_artifact",
    "download",
    "download_model",
    "ended_runs",
    "find_run",
    "last_runs",
    "read_run",
    "reason",
    "registered_version",
    "reopen_run",
    "reporting",
    "run_at",
    "run_params",
    "run_tag",
    "set_champion",
    "start_run",
    "system_figures",
    "take_over",
]
