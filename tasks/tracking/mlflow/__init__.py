"""The MLflow room: the only package that imports mlflow.

Finds, starts and reads runs and models, and brings the messages of the outbox to the store. Everything goes through
`MlflowClient` with a run id, so that it works from any thread or process; there is no active run.
"""

from tasks.tracking.mlflow.delivery import Delivery
from tasks.tracking.mlflow.records import read_run
from tasks.tracking.mlflow.registry import alias_version, aliased_runs, download_model, registered_version, set_champion
from tasks.tracking.mlflow.runs import (
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
from tasks.tracking.mlflow.store import connect, reason, reporting
from tasks.tracking.mlflow.system import system_figures

__all__ = [
    "Delivery",
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
