"""Brings the messages of the outbox to the store: under which names things go there is decided here."""

import json
import tempfile
from functools import cached_property
from pathlib import Path
from typing import assert_never

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from charrnn.evaluation.plots import loss_curves
from tasks.tracking.address import waiting_out_locks
from tasks.tracking.mlflow.registry import register_model
from tasks.tracking.mlflow.store import is_refusal, reason
from tasks.tracking.outbox import messages as op
from tasks.tracking.runs import RunRef

TABLES_TAG = "mlflow.loggedArtifacts"


class Delivery:
    """Brings the operations of one run to the store; the same one again changes nothing."""

    def __init__(self, run: RunRef) -> None:
        """No request is made."""
        self.run = run
        self._new_rows = op.NewRows(lambda key: [metric.step for metric in self._history(key)])

    @cached_property
    def client(self) -> MlflowClient:
        """Made at the first use: that of a SQLite store opens the file."""
        return MlflowClient(tracking_uri=self.run.uri)

    def __call__(self, operation: op.Operation, attachment: Path | None) -> None:
        """Send `operation`.

        Raises:
            op.RefusedError: the store will never take it.
            Exception: anything else; it may take it later, or has it already.
        """
        try:
            self._send(operation, attachment)
        except Exception as error:
            if is_refusal(error):
                raise op.RefusedError(reason(error)) from error
            raise

    # A store that others write to is busy, not away: whoever waits for the end of the run waits for it, too.
    @waiting_out_locks
    def _send(self, operation: op.Operation, attachment: Path | None) -> None:
        client, run_id = self.client, self.run.run_id
        match operation:
            case op.Metrics(rows):
                if new := self._new_rows.of(rows):
                    client.log_batch(run_id, metrics=[Metric(*row) for row in new])
            case op.LogParams(values):
                logged = client.get_run(run_id).data.params
                client.log_batch(run_id, params=[Param(*item) for item in values.items() if item[0] not in logged])
            case op.SetTags(values):
                client.log_batch(run_id, tags=[RunTag(*item) for item in values.items()])
            case op.Rename(name):
                client.update_run(run_id, name=name)
            case op.LogDataset():
                self._log_dataset(operation)
            case op.LogText(path, text):
                client.log_text(run_id, text, path)
            case op.LogTable(path, text):
                client.log_text(run_id, text, path)
                self._list_table(path)
            case op.LogFile(path):
                client.log_artifact(run_id, str(attachment), path.rpartition("/")[0] or None)
            case op.DrawCurves():
                self._draw(operation)
            case op.Register():
                assert attachment is not None
                register_model(client, self.run, operation, attachment)
            case op.Terminate(status, ended):
                client.set_terminated(run_id, status, ended)
            case _:
                assert_never(operation)

    def _history(self, key: str) -> list[Metric]:
        return list(self.client.get_metric_history(self.run.run_id, key))

    def _log_dataset(self, data: op.LogDataset) -> None:
        source = json.dumps({"source": data.source})
        dataset = Dataset(data.name, data.digest, "code", source, schema=None, profile=data.profile)
        tags = [InputTag("mlflow.data.context", data.context)]
        self.client.log_inputs(self.run.run_id, [DatasetInput(dataset, tags)])

    def _list_table(self, path: str) -> None:
        """List the artifact `path` among the run's tables, which the UI shows.

        `MlflowClient.log_table` would append to it, and a retried task would double its rows.
        """
        tables = json.loads(self.client.get_run(self.run.run_id).data.tags.get(TABLES_TAG, "[]"))
        entry = {"path": path, "type": "table"}
        if entry not in tables:
            self.client.set_tag(self.run.run_id, TABLES_TAG, json.dumps([*tables, entry]))

    def _draw(self, picture: op.DrawCurves) -> None:
        train, val = (
            sorted((row.step, row.value) for row in self._history(f"{name}/loss")) for name in ("train", "val")
        )
        folder, _, name = picture.path.rpartition("/")
        with tempfile.TemporaryDirectory() as temporary:
            local = Path(temporary) / name
            local.write_bytes(loss_curves(train, val, picture.baselines, "Loss"))
            self.client.log_artifact(self.run.run_id, str(local), folder or None)
