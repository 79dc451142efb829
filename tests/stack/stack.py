"""The team's stack, without containers: PostgreSQL, an MLflow server, a Prefect server and workers, all real."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
from mlflow import MlflowClient
from mlflow.entities import Run
from prefect.settings import PREFECT_API_URL, temporary_settings

from charrnn.config.loading import PROJECT
from flows.deployed.automations import make_automations
from tasks.tracking.processes import is_running
from tasks.tracking.runs import FLOW_RUNS_TAG
from tests.ports import free_port
from tests.stack.database import Database

BIN = Path(sys.executable).parent


def until(found: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return what `found` gives once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError):
            if value := found():
                return value
        time.sleep(0.5)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


class Stack:
    """Both servers on one PostgreSQL, some workers, and ways to use it all as a team would."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.database = folder, Database()
        self.prefect_port, self.mlflow_port, self.completions_port = free_port(), free_port(), free_port()
        self.prefect, self.mlflow = f"http://127.0.0.1:{self.prefect_port}", f"http://127.0.0.1:{self.mlflow_port}"
        self.server: subprocess.Popen[str] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self.messenger: subprocess.Popen[bytes] | None = None
        self.start_servers()

    def start_servers(self) -> None:
        settings = {"PREFECT_API_DATABASE_CONNECTION_URL": self.database.address("prefect", "asyncpg")}
        settings["PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS"] = "5"  # not a minute: new schedules are soon seen
        command = [sys.executable, str(PROJECT / "flows" / "server.py"), "--no-worker"]
        command += ["--directory", str(self.folder / "server"), "--store", self.database.address("mlflow", "psycopg2")]
        command += ["--prefect-port", str(self.prefect_port), "--mlflow-port", str(self.mlflow_port)]
        command += ["--completions-port", str(self.completions_port)]
        self.server = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.server.stdout is not None
        lines = [self.server.stdout.readline() for _ in range(5)]
        assert lines[-1] == "Ctrl-C stops everything.\n", lines

    def stop_servers(self) -> None:
        assert self.server is not None
        self.server.send_signal(signal.SIGINT)
        assert self.server.wait(120) == 130

    def start_worker(self) -> None:
        """As on another machine: it knows the addresses of the two servers. It does one training at a time."""
        self.workers.append(self._worker("charrnn", f"worker {len(self.workers)}"))

    def start_messenger(self) -> None:
        """Start the worker of what waits for trainings, or must not wait for one: sweeps and messages."""
        self.messenger = self._worker("charrnn-sweeps", "messenger")

    def _worker(self, pool: str, name: str) -> subprocess.Popen[bytes]:
        environment = {
            **self.environment,
            "MLFLOW_TRACKING_URI": self.mlflow,
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }
        command = [str(BIN / "prefect"), "worker", "start", "--pool", pool, "--type", "process", "--limit", "1"]
        with open(self.folder / f"{name}.log", "ab") as log:
            return subprocess.Popen(
                command, cwd=PROJECT, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def close(self) -> None:
        _end(*self.workers, *([self.messenger] if self.messenger else []))
        self.stop_servers()
        self.database.stop()
        shutil.rmtree(self.database.data)

    def stop_workers(self) -> None:
        """Ask the workers of trainings to stop as `flows/server.py` does."""
        _end(*self.workers)
        self.workers.clear()

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PREFECT_API_URL": f"{self.prefect}/api", "PREFECT_HOME": str(self.folder / "client")}

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.mlflow)

    def prefect_cli(self, *arguments: str) -> str:
        command = [str(BIN / "prefect"), "--no-prompt", *arguments]
        done = subprocess.run(command, cwd=PROJECT, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deploy(self) -> None:
        """Make the work pools and the deployments."""
        for pool in ("charrnn", "charrnn-sweeps"):
            self.prefect_cli("work-pool", "create", pool, "--type", "process")
        self.prefect_cli("deploy", "--all")

    def expect_soon(self) -> None:
        """Make the automations; two missed heartbeats are enough here, and a minute for a run to begin."""
        text = (PROJECT / "deploy" / "automations.yaml").read_text(encoding="utf-8")
        assert (text.count("within: 300"), text.count("within: 900")) == (1, 1)
        soon = self.folder / "automations.yaml"
        soon.write_text(text.replace("within: 300", "within: 70").replace("within: 900", "within: 60"))
        with temporary_settings({PREFECT_API_URL: f"{self.prefect}/api"}):
            make_automations(soon)

    def start(self, *overrides: str, hours: float = 0) -> str:
        """Start a smoke run of `pipeline/manual`, so many hours from now; return the id of its flow run."""
        texts = [f"data.sources=['{self.folder}/a play.txt']", f"data.directory={self.folder}/data"]
        texts += ["report.seconds=0", *overrides]
        return self.ask("pipeline/manual", {"overlays": ["params/smoke.yaml"], "overrides": texts}, hours)

    def deployment(self, name: str) -> str:
        """Return the id of a deployment."""
        return str(httpx.get(f"{self.prefect}/api/deployments/name/{name}").raise_for_status().json()["id"])

    def ask(self, deployment: str, parameters: dict[str, Any], hours: float = 0) -> str:
        """Start a run of a deployment, so many hours from now; return its id."""
        address = f"{self.prefect}/api/deployments/{self.deployment(deployment)}/create_flow_run"
        begins = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": begins}}
        made = httpx.post(address, json={"parameters": parameters, "state": state})
        return str(made.raise_for_status().json()["id"])

    def take(self, state: str, *overrides: str) -> str:
        """Have a smoke run come to a state, as by a worker or a process that dies then; return its flow run."""
        flow_run = self.start(*overrides, hours=1)  # so that no worker takes it
        wanted = {"state": {"type": state}, "force": True}
        counted = f"SELECT 1 FROM automation_bucket WHERE bucketing_key::text LIKE '%{flow_run}%'"

        # Until the server watches this flow run: it loads the automations a little after they are made.
        def watched() -> bool:
            httpx.post(f"{self.prefect}/api/flow_runs/{flow_run}/set_state", json=wanted).raise_for_status()
            time.sleep(2)
            return bool(self.database.ask("prefect", counted))

        until(watched, 60, "an automation that watches")
        return flow_run

    def flow_runs(self, filters: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the flow runs that Prefect's `filters` leave, all pages."""
        found: list[dict[str, Any]] = []
        while True:
            asked = {**filters, "sort": "EXPECTED_START_TIME_ASC", "limit": 200, "offset": len(found)}
            page = httpx.post(f"{self.prefect}/api/flow_runs/filter", json=asked).raise_for_status().json()
            found += page
            if len(page) < 200:
                return found

    def finished(self, *overrides: str) -> str:
        """Start a smoke run as `start` does; return the id of its flow run once it is done."""
        flow_run = self.start(*overrides)
        self.ends(flow_run, "COMPLETED")
        return flow_run

    def state(self, flow_run: str) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.prefect}/api/flow_runs/{flow_run}").raise_for_status().json()["state"]
        return found

    def ends(self, flow_run: str, state: str, seconds: float = 180) -> None:
        terminal = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        end = until(lambda: (s := self.state(flow_run))["type"] in terminal and s, seconds, f"{flow_run} {state}")
        assert end["type"] == state, end

    def run_of(self, flow_run: str) -> Run | None:
        """Return the MLflow run that the flow run, or one that went on with it, has made."""
        found = self.client.search_experiments(filter_string="name = 'charrnn'")
        runs = self.client.search_runs([item.experiment_id for item in found]) if found else []
        return next((run for run in runs if flow_run in run.data.tags.get(FLOW_RUNS_TAG, "")), None)

    def trains(self, flow_run: str) -> str:
        """Wait until the flow run has trained for a while; return the id of its MLflow run."""

        def at_work() -> str | None:
            run = self.run_of(flow_run)
            return run.info.run_id if run and run.data.metrics.get("train/epoch", 0) > 0 else None

        return str(until(at_work, 120, "the first step"))

    def heard_of(self, flow_run: str) -> bool:
        """Whether the server has got a heartbeat of the flow run."""
        events = {
            "event": {"name": ["prefect.flow-run.heartbeat"]},
            "resource": {"id": [f"prefect.flow-run.{flow_run}"]},
        }
        found = httpx.post(f"{self.prefect}/api/events/filter", json={"filter": events, "limit": 1})
        return bool(found.raise_for_status().json()["events"])

    def process(self, run_id: str) -> psutil.Process:
        tags = self.client.get_run(run_id).data.tags
        assert is_running(tags)  # its number may be another's by now
        return psutil.Process(int(tags["charrnn.pid"]))


def _end(*workers: subprocess.Popen[bytes]) -> None:
    """End workers; one that does not in time is killed, its run with it."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        try:
            worker.wait(45)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
