"""Delivery of a run's messages to the store: what each becomes in MLflow."""

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import assert_never

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from tasks.tracking.mlflow.logged_models import log_checkpoint
from tasks.tracking.mlflow.registry import register_model
from tasks.tracking.mlflow.store import Store, StoreError
from tasks.tracking.outbox import messages
from tasks.tracking.outbox.messages import Message, RefusedError, Row
from tasks.tracking.runs import RunRef

TABLES_TAG = "mlflow.loggedArtifacts"


class Delivery:
    """Brings the messages of one run to the store. A message that is delivered again changes nothing."""

    def __init__(self, run: RunRef) -> None:
        """No request is made."""
        self.run = run
        self._store = Store(run.uri)
        self._new_rows = NewRows(lambda key: [metric.step for metric in self._history(self._store.client, key)])

    def __call__(self, message: Message, attachment: Path | None) -> None:
        """Deliver `message`.

        Raises:
            RefusedError: the store will never take it.
            StoreError: it may take it later, or has it already.
        """
        try:
            # `ask` waits while other processes lock the store, and tries a broken connection again, so that the end of
            # a run, or the registration of its model, does not take the store for away.
            self._store.ask(self._deliver, message, attachment)
        except StoreError as error:
            if error.refused:
                raise RefusedError(error.reason) from error
            raise

    def _deliver(self, client: MlflowClient, message: Message, attachment: Path | None) -> None:
        run_id = self.run.run_id
        match message:
            case messages.Metrics(rows):
                if new := self._new_rows.of(rows):
                    client.log_batch(run_id, metrics=[Metric(*row) for row in new])
            case messages.LogParams(values):
                logged = client.get_run(run_id).data.params
                client.log_batch(run_id, params=[Param(*item) for item in values.items() if item[0] not in logged])
            case messages.SetTags(values):
                client.log_batch(run_id, tags=[RunTag(*item) for item in values.items()])
            case messages.Rename(name):
                client.update_run(run_id, name=name)
            case messages.LogDataset():
                self._log_dataset(client, message)
            case messages.LogText(path, text):
                client.log_text(run_id, text, path)
            case messages.LogTable(path, text):
                client.log_text(run_id, text, path)
                self._list_table(client, path)
            case messages.LogFile(path):
                client.log_artifact(run_id, str(attachment), path.rpartition("/")[0] or None)
            case messages.LogCheckpoint():
                log_checkpoint(client, self.run, message)
            case messages.DrawCurves():
                self._draw_curves(client, message)
            case messages.Register():
                assert attachment is not None
                register_model(client, self.run, message, attachment)
            case messages.Terminate(status, ended):
                client.set_terminated(run_id, status, ended)
            case _:
                assert_never(message)

    def _history(self, client: MlflowClient, key: str) -> list[Metric]:
        return list(client.get_metric_history(self.run.run_id, key))

    def _log_dataset(self, client: MlflowClient, data: messages.LogDataset) -> None:
        source = json.dumps({"source": data.source})
        dataset = Dataset(data.name, data.digest, "code", source, schema=None, profile=data.profile)
        tags = [InputTag("mlflow.data.context", data.context)]
        try:
            client.log_inputs(self.run.run_id, [DatasetInput(dataset, tags)])
        except MlflowException as error:
            if "unique" not in str(error).lower():
                raise
            # In the same moment, another run has logged the same text for the first time: now it is there.
            client.log_inputs(self.run.run_id, [DatasetInput(dataset, tags)])

    def _list_table(self, client: MlflowClient, path: str) -> None:
        """List the artifact `path` among the run's tables, which the UI shows.

        `MlflowClient.log_table` would append to it, and a retried task would double its rows.
        """
        tables = json.loads(client.get_run(self.run.run_id).data.tags.get(TABLES_TAG, "[]"))
        entry = {"path": path, "type": "table"}
        if entry not in tables:
            client.set_tag(self.run.run_id, TABLES_TAG, json.dumps([*tables, entry]))

    def _draw_curves(self, client: MlflowClient, curves: messages.DrawCurves) -> None:
        # Imported here, since Matplotlib takes 30 MB and a training draws at its end.
        from charrnn.evaluation.plots import loss_curves

        train, val = (
            sorted((row.step, row.value) for row in self._history(client, f"{name}/loss")) for name in ("train", "val")
        )
        folder, _, name = curves.path.rpartition("/")
        with tempfile.TemporaryDirectory() as temporary:
            local = Path(temporary) / name
            local.write_bytes(loss_curves(train, val, curves.baselines, "Loss"))
            client.log_artifact(self.run.run_id, str(local), folder or None)


class NewRows:
    """Finds the rows of metrics that a store does not have yet, so that no step of a metric is logged twice.

    A step beyond the last one of its metric is new. Any other is looked up: a resumed run repeats steps, and a request
    that failed may have arrived all the same.
    """

    def __init__(self, read: Callable[[str], Iterable[int]]) -> None:
        """`read` returns the steps the store has of a metric."""
        self._read = read
        self._last: dict[str, int] = {}

    def of(self, rows: Sequence[Row]) -> list[Row]:
        """Return those of `rows` whose (key, step) the store does not have, each once."""
        there: dict[str, set[int]] = {}
        new: dict[tuple[str, int], Row] = {}
        for row in rows:
            last = self._last.get(row.key)
            if row.key not in there and (last is None or row.step <= last):
                there[row.key] = set(self._read(row.key))
            if row.step not in there.get(row.key, ()):
                # The first of several rows for one step is the one that counts.
                new.setdefault((row.key, row.step), row)
            self._last[row.key] = max(row.step, max(there.get(row.key, ()), default=-1) if last is None else last)
        return list(new.values())
