"""Row 6: from the command to the first optimizer step, and to the end of the smoke run, with an encoded corpus."""

import os
import statistics
import subprocess
import sys
import time

from mlflow import MlflowClient

from benchmarks.pipelines import PROJECT, overlay, overrides
from benchmarks.runner import Bench, Figure

REPEATS = 3


def measure(bench: Bench) -> list[Figure]:
    changes = overrides(bench)
    options = [part for change in changes for part in ("--set", change)]
    command = [
        sys.executable,
        str(PROJECT / "flows" / "pipeline.py"),
        "--params",
        overlay("smoke"),
        "--quiet",
        *options,
    ]
    client = MlflowClient(tracking_uri=next(c.partition("=")[2] for c in changes if c.startswith("tracking.uri")))
    first, whole = [], []
    for _ in range(REPEATS + 1):
        started = time.time()
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
        whole.append(time.time() - started)
        rows = client.get_metric_history(done.stdout.strip(), "train/loss")
        first.append(min(row.timestamp for row in rows) / 1000 - started)
    # The first one makes the stores and encodes the corpus.
    step, end = statistics.median(first[1:]), statistics.median(whole[1:])
    return [
        Figure("6 (first)", "command to first optimizer step", "<= 8 s", f"{step:.1f} s", step <= 8),
        Figure("6 (smoke)", "the whole smoke run", "<= 12 s", f"{end:.1f} s", end <= 12),
    ]
