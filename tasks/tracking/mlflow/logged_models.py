"""Logged models of MLflow: each kept checkpoint is one, with its step and metrics, to be compared under Models."""

from collections.abc import Iterable

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, Metric

from tasks.tracking.outbox.messages import LogCheckpoint
from tasks.tracking.runs import RunRef

CHECKPOINT_TAG = "checkpoint"
VALIDATION = ("val/loss", "val/bits_per_char")


def log_checkpoint(client: MlflowClient, run: RunRef, kept: LogCheckpoint) -> None:
    """Make the checkpoint, which is among the run's artifacts, a logged model; the weights are not copied.

    May be called again, as all of what is here: what is there is not made again.
    """
    tags = {CHECKPOINT_TAG: f"{run.run_id}/{kept.path}"}
    model = logged_model(
        client, run, kept.path.rpartition("/")[2].removesuffix(".ckpt"), CHECKPOINT_TAG, tags, kept.step
    )
    add_metrics(client, run, model.model_id, VALIDATION, kept.step)
    client.finalize_logged_model(model.model_id, "READY")


def logged_model(
    client: MlflowClient, run: RunRef, name: str, key: str, tags: dict[str, str], step: int
) -> LoggedModel:
    """Return the logged model of `run` with this tag `key`, an output of the run at `step`; it is made if need be."""
    models = client.search_logged_models([run.experiment_id], f"tags.`{key}` = '{tags[key]}'")
    mine = [model for model in models if model.source_run_id == run.run_id]
    model = mine[0] if mine else client.create_logged_model(run.experiment_id, name, run.run_id, tags)
    outputs = client.get_run(run.run_id).outputs
    if model.model_id not in {output.model_id for output in (outputs.model_outputs if outputs else [])}:
        client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step=step)])
    return model


def add_metrics(client: MlflowClient, run: RunRef, model_id: str, keys: Iterable[str], step: int) -> None:
    """Give a logged model the run's values of `keys` at `step`, or the last before it; the run has them once."""
    found = []
    for key in keys:
        rows = [row for row in client.get_metric_history(run.run_id, key) if row.step <= step]
        if rows:
            last = max(rows, key=lambda row: row.step)
            # With the same time, the store knows that the run has this row already.
            found.append(Metric(key, last.value, last.timestamp, last.step, model_id=model_id))
    if found:
        client.log_batch(run.run_id, metrics=found)
