"""Reads, at the end of a soak, what its stores hold."""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from mlflow.utils import get_results_from_paginated_fn

from charrnn.config.loading import PROJECT
from tasks.tracking.runs import CORPUS_TAG, FLOW_RUNS_TAG
from tests.soak.checks import TERMINAL
from tests.soak.record import FlowRun, Ledger, TrackedRun, Version
from tests.soak.team import DATABASE, EVERYTHING, FULL_DISK, HTML, PAGE, SERVERS, Team
from tests.stack.stack import Stack


def flow_runs(stack: Stack) -> list[dict[str, Any]]:
    """Return the flow runs of all flows that have come due."""
    due = {"expected_start_time": {"before_": datetime.now(UTC).isoformat()}, "parent_task_run_id": {"is_null_": True}}
    return stack.flow_runs({"flow_runs": due})


def unended(stack: Stack, flow_run: str = "") -> list[str]:
    """Return the flow runs that have no end yet, of all or whether `flow_run` is one of them."""
    if flow_run:
        return [] if stack.state(flow_run)["type"] in TERMINAL else [flow_run]
    return [one["id"] for one in flow_runs(stack) if one["state_type"] not in TERMINAL]


def read(stack: Stack, team: Team, ledger: Ledger) -> None:
    """Send what runs could not send yet, as `charrnn sync` does, and read everything into `ledger`."""
    _sync(stack, ledger)
    client = stack.client
    experiment = client.get_experiment_by_name("charrnn")
    assert experiment is not None
    ids = [experiment.experiment_id]
    for run in _pages(lambda size, token: client.search_runs(ids, max_results=size, page_token=token)):
        run_id, tags = run.info.run_id, run.data.tags
        steps = tuple(row.step for row in client.get_metric_history(run_id, "train/loss"))
        wanted = int(run.data.params.get("training.max_steps", 0))
        flow_ids, corpus = tuple(tags.get(FLOW_RUNS_TAG, "").split()), tags.get(CORPUS_TAG, "")
        promotion = tags.get("promotion", "")
        ledger.runs.append(TrackedRun(run_id, run.info.status, steps, wanted, promotion, flow_ids, corpus))
    found = [one for one in flow_runs(stack) if "overlays" in one["parameters"] or "resume" in one["parameters"]]
    ledger.page = hashlib.sha256(HTML.encode()).hexdigest()
    for one in found:
        message = (one["state"] or {}).get("message") or ""
        went_on = tuple(other["id"] for other in found if other["parameters"].get("resume") == one["id"])
        ledger.flow_runs.append(FlowRun(one["id"], one["state_type"], message, went_on))
        for at_it, *kinds in (
            (ledger.drifted, PAGE),
            (ledger.full, FULL_DISK),
            (ledger.away, FULL_DISK, SERVERS, DATABASE, EVERYTHING),
        ):
            if any(_overlaps(one, *times) for kind in kinds for times in team.times.get(kind, ())):
                at_it.append(one["id"])
    for version in _pages(lambda size, token: client.search_model_versions("name = 'charrnn'", size, page_token=token)):
        ledger.versions.append(Version(int(version.version), str(version.run_id), version.description or ""))
    ledger.versions.sort(key=lambda version: version.number)


def _sync(stack: Stack, ledger: Ledger) -> None:
    command = [sys.executable, str(PROJECT / "flows" / "sync.py"), "--set", f"data.directory={stack.folder}/data"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": stack.mlflow}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        ledger.leftovers.append(done.stdout + done.stderr)
    ledger.leftovers += [str(path) for path in (stack.folder / "data" / "outbox").glob("*/*.json")]


def _pages(page: Any) -> list[Any]:
    found: list[Any] = get_results_from_paginated_fn(page, max_results_per_page=500)
    return found


def _overlaps(flow_run: dict[str, Any], begin: datetime, end: datetime) -> bool:
    if not flow_run["start_time"] or not flow_run["end_time"]:
        return False
    started, ended = (datetime.fromisoformat(flow_run[key]) for key in ("start_time", "end_time"))
    return started <= end and ended >= begin
