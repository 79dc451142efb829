"""The local stack: Prefect, MLflow, the champion's completions server and a worker on this machine; one data folder."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx

from charrnn.config.loading import project_folder
from charrnn.config.sqlite_address import sqlite_address
from charrnn.errors import ServerError
from tasks import SETTINGS, without_proxy

POOL, SWEEPS = "charrnn", "charrnn-sweeps"
# The command `charrnn serve`, as a script.
SERVE = Path(__file__).resolve().parents[1] / "serve.py"
START_SECONDS, STOP_SECONDS = 180.0, 30.0


@dataclass(frozen=True)
class Stack:
    """The settings of the servers of this machine.

    Attributes:
        folder: absolute; holds their data and logs.
        host: address they listen on.
        prefect_port: of Prefect.
        mlflow_port: of MLflow.
        completions_port: of the completions server.
        model: the registered model that it serves, such as charrnn@champion; None where none is registered.
        store: URI of MLflow's database; None for a SQLite file in the folder.
        worker: whether a worker is started, too.
    """

    folder: Path
    host: str
    prefect_port: str
    mlflow_port: str
    completions_port: str
    model: str | None
    store: str | None
    worker: bool

    @property
    def prefect(self) -> str:
        """Address of Prefect."""
        return f"http://{self.host}:{self.prefect_port}"

    @property
    def mlflow(self) -> str:
        """Address of MLflow."""
        return f"http://{self.host}:{self.mlflow_port}"

    @property
    def completions(self) -> str:
        """Address of the completions server."""
        return f"http://{self.host}:{self.completions_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the processes."""
        return {
            # The one of PREFECT_HOME, whose path an address may have to escape; another one that is named comes before.
            "PREFECT_API_DATABASE_CONNECTION_URL": sqlite_address(self.folder / "prefect" / "prefect.db", "aiosqlite"),
            **os.environ,
            **SETTINGS,
            **without_proxy(os.environ, self.host),
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_API_URL": f"{self.prefect}/api",
            "MLFLOW_TRACKING_URI": self.mlflow,
            # In files: a server that restarts forgets the others, and cancels the run that is about to begin.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            # Prefect's page recognises a run whose process has died by missing heartbeats.
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }

    @property
    def commands(self) -> dict[str, list[str]]:
        """The command line of each process."""
        prefect, mlflow = (str(Path(sys.executable).with_name(name)) for name in ("prefect", "mlflow"))
        return {
            "prefect": [prefect, "server", "start", "--host", self.host, "--port", self.prefect_port],
            "mlflow": [
                *(mlflow, "server", "--host", self.host, "--port", self.mlflow_port, "--workers", "1"),
                *("--backend-store-uri", self.store or sqlite_address(self.folder / "mlflow.db")),
                *("--artifacts-destination", str(self.folder / "artifacts"), "--serve-artifacts"),
            ],
            "completions": [
                *(sys.executable, str(SERVE), self.model or "", "--wait"),
                *("--host", self.host, "--port", self.completions_port),
            ],
            "worker": [
                *(prefect, "worker", "start", "--pool", POOL, "--type", "process"),
                *("--limit", "1", "--create-pool-if-not-found"),
            ],
            # Sweeps wait for their trials, which the other worker runs; messages of events wait for nothing.
            "sweeps": [
                *(prefect, "worker", "start", "--pool", SWEEPS, "--type", "process", "--create-pool-if-not-found"),
            ],
        }


def serve(stack: Stack) -> NoReturn:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        ServerError: something does not start, or ends by itself.
    """
    stack.folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as started:
        running: dict[str, subprocess.Popen[bytes]] = {}
        # What the last one serves is in MLflow.
        for together in (
            {"prefect": f"{stack.prefect}/api/health", "mlflow": f"{stack.mlflow}/health"},
            {"completions": f"{stack.completions}/healthz"} if stack.model else {},
        ):
            running |= {name: started.enter_context(_process(stack, name)) for name in together}
            for name, address in together.items():
                _wait(stack, name, running[name], address)
        for name in ("worker", "sweeps") if stack.worker else ():
            running[name] = started.enter_context(_process(stack, name))
        api = f"API      {stack.completions}/v1 ({stack.model})\n" if stack.model else ""
        print(
            f"Prefect  {stack.prefect}\nMLflow   {stack.mlflow}\n{api}logs     {stack.folder}\n"
            "Ctrl-C stops everything.",
            flush=True,
        )
        while True:
            time.sleep(1)
            for name, process in running.items():
                if process.poll() is not None:
                    code, log = process.returncode, _log(stack, name)
                    raise ServerError(f"{name} has ended with exit code {code}; see {log}")


def _log(stack: Stack, name: str) -> Path:
    return stack.folder / f"{name}.log"


@contextlib.contextmanager
def _process(stack: Stack, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process while the block runs, out of reach of the terminal's signals; end it by SIGTERM, then SIGKILL."""
    with open(_log(stack, name), "ab") as file:
        process = subprocess.Popen(
            stack.commands[name],
            cwd=project_folder(),
            env=stack.environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(stack: Stack, name: str, process: subprocess.Popen[bytes], address: str) -> None:
    """Wait until `address` answers."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(address, timeout=5, trust_env=False).is_success:  # no proxy leads to this machine
                return
        time.sleep(0.3)
    raise ServerError(f"{name} does not start; see {_log(stack, name)}")
