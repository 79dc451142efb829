"""What a store knows of a run, for those who only read."""

import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlflow import MlflowClient

from tasks.stores import waiting_out_locks
from tasks.tracking.runs import RunRef, download
from tasks.tracking.store import reporting

SAMPLES_FILE = "samples/samples.json"


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
