"""Reads, at the end of a soak, what its stores hold."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from charrnn.config.loading import PROJECT
from tests.soak.checks import TERMINAL
from tests.soak.record import FlowRun, Ledger, TrackedRun, Version
from tests.soak.team import Team
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
    for run in _all(lambda token: client.search_runs([experiment.experiment_id], max_results=500, page_token=token)):
        run_id, tags = run.info.run_id, run.data.tags
        steps = tuple(row.step for row in client.get_metric_history(run_id, "train/loss"))
        wanted = int(run.data.params.get("training.max_steps", 0))
        ledger.runs.append(TrackedRun(run_id, run.info.status, steps, wanted, tags.get("promotion", "")))
    found = [one for one in flow_runs(stack) if "overlays" in one["parameters"] or "resume" in one["parameters"]]
    went_on = {one["parameters"].get("resume"): one["id"] for one in found}
    for one in found:
        message = (one["state"] or {}).get("message") or ""
        ledger.flow_runs.append(FlowRun(one["id"], one["state_type"], message, went_on.get(one["id"], "")))
        if any(_overlaps(one, *times) for times in team.away):
            ledger.drifted.append(one["id"])
    for version in _all(lambda token: client.search_model_versions("name = 'charrnn'", 500, page_token=token)):
        ledger.versions.append(Version(int(version.version), str(version.run_id), version.description or ""))
    ledger.versions.sort(key=lambda version: version.number)


def _sync(stack: Stack, ledger: Ledger) -> None:
    command = [sys.executable, str(PROJECT / "flows" / "sync.py"), "--set", f"data.directory={stack.folder}/data"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": stack.mlflow}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        ledger.leftovers.append(done.stdout + done.stderr)
    ledger.leftovers += [str(path) for path in (stack.folder / "data" / "outbox").glob("*/*.json")]


def _all(page: Any) -> list[Any]:
    """Return the items of all pages of MLflow's."""
    found, token = [], None
    while True:
        items = page(token)
        found += items
        if not (token := items.token):
            return found


def _overlaps(flow_run: dict[str, Any], begin: datetime, end: datetime) -> bool:
    if not flow_run["start_time"] or not flow_run["end_time"]:
        return False
    started, ended = (datetime.fromisoformat(flow_run[key]) for key in ("start_time", "end_time"))
    return started <= end and ended >= begin
