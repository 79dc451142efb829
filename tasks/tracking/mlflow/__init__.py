"""The MLflow room: the only package that imports mlflow.

Finds, starts and reads runs and models, and delivers the messages of the outbox. Every request goes through a `Store`
with the id of a run, so that it works from any thread or process; there is no active run.
"""

from tasks.tracking.mlflow.delivery import Delivery
from tasks.tracking.mlflow.experiment import Experiment
from tasks.tracking.mlflow.lineages import Kinship, read_kinship, read_lineage
from tasks.tracking.mlflow.registry import (
    ModelMissingError,
    alias_version,
    aliased_runs,
    describe_version,
    download_model,
    find_champions,
    find_version,
    model_versions,
    registered_version,
    run_version,
    set_alias,
    version_run,
)
from tasks.tracking.mlflow.runs import (
    RunGoneError,
    artifact_sizes,
    delete_artifact,
    download_artifact,
    read_curves,
    read_run,
    read_texts,
    reopen_run,
    run_at,
    run_params,
    run_status,
    run_tag,
    set_tags,
    take_over,
)
from tasks.tracking.mlflow.store import Store, StoreError, reason
from tasks.tracking.mlflow.system import system_figures

__all__ = [
    "Delivery",
    "Experiment",
    "Kinship",
    "ModelMissingError",
    "RunGoneError",
    "Store",
    "StoreError",
    "alias_version",
    "aliased_runs",
    "artifact_sizes",
    "delete_artifact",
    "describe_version",
    "download_artifact",
    "download_model",
    "find_champions",
    "find_version",
    "model_versions",
    "read_curves",
    "read_kinship",
    "read_lineage",
    "read_run",
    "read_texts",
    "reason",
    "registered_version",
    "reopen_run",
    "run_at",
    "run_params",
    "run_status",
    "run_tag",
    "run_version",
    "set_alias",
    "set_tags",
    "system_figures",
    "take_over",
    "version_run",
]
