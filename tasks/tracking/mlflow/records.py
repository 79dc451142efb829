"""What a store knows of a run, for those who only read."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient

from tasks.tracking.address import waiting_out_locks
from tasks.tracking.mlflow.runs import download
from tasks.tracking.mlflow.store import reporting
from tasks.tracking.runs import SAMPLES_FILE, RunRecord, RunRef


@waiting_out_locks
def read_run(run: RunRef, metrics: Sequence[str]) -> RunRecord:
    """Return what the store knows of `run`, and the histories of `metrics`. Raises TrackingError."""
    with reporting(run.uri):
        client = MlflowClient(tracking_uri=run.uri)
        found = client.get_run(run.run_id)
        histories = {
            name: sorted((row.step, row.value) for row in client.get_metric_history(run.run_id, name))
            for name in metrics
            if name in found.data.metrics
        }
    info = found.info
    seconds = (info.end_time - info.start_time) / 1000 if info.end_time else None
    return RunRecord(
        info.run_id, info.run_name, info.status, seconds, dict(found.data.params), histories, _middle_sample(run)
    )


def _middle_sample(run: RunRef) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        path = download(run, SAMPLES_FILE, Path(temporary))
        if path is None:
            return ""
        table = json.loads(path.read_text(encoding="utf-8"))
    texts = [str(row[table["columns"].index("text")]) for row in table["data"]]
    return texts[len(texts) // 2] if texts else ""
