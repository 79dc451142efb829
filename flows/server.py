"""A Prefect server, an MLflow server and a worker on this machine, with everything they know in one folder.

`python flows/server.py --help`; `make server` runs it, `make deploy` then makes the deployments.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# As a script, Python puts flows/ on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx

from charrnn.config.loading import PROJECT
from charrnn.errors import ServerError
from flows.cli.command_line import guarded, server_parser
from tasks import SETTINGS

POOL = "charrnn"
START_SECONDS, STOP_SECONDS = 180.0, 30.0


def main(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM. Raises ServerError when something does not start or ends by itself."""
    folder, host = arguments.directory.resolve(), arguments.host
    folder.mkdir(parents=True, exist_ok=True)
    prefect, mlflow = f"http://{host}:{arguments.prefect_port}", f"http://{host}:{arguments.mlflow_port}"
    environment = {
        **os.environ,
        **SETTINGS,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"{prefect}/api",
        "MLFLOW_TRACKING_URI": mlflow,
        # Prefect's page tells a run whose process has died by the heartbeats that it misses.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }
    bin_folder = Path(sys.executable).parent
    commands = {
        "prefect": [bin_folder / "prefect", "server", "start", "--host", host, "--port", arguments.prefect_port],
        "mlflow": [
            *(bin_folder / "mlflow", "server", "--host", host, "--port", arguments.mlflow_port, "--workers", "1"),
            *("--backend-store-uri", arguments.store or f"sqlite:///{folder}/mlflow.db"),
            *("--artifacts-destination", folder / "artifacts", "--serve-artifacts"),
        ],
        "worker": [
            *(bin_folder / "prefect", "worker", "start", "--pool", POOL, "--type", "process"),
            *("--limit", "1", "--create-pool-if-not-found"),
        ],
    }
    with contextlib.ExitStack() as stack:
        running = {}
        addresses = {"prefect": f"{prefect}/api/health", "mlflow": f"{mlflow}/health"}
        for name in addresses:
            running[name] = stack.enter_context(_process(commands[name], environment, folder / f"{name}.log"))
        for name, address in addresses.items():
            _wait(name, running[name], address, folder)
        if arguments.worker:
            running["worker"] = stack.enter_context(_process(commands["worker"], environment, folder / "worker.log"))
        print(f"Prefect  {prefect}\nMLflow   {mlflow}\nlogs     {folder}\nCtrl-C stops everything.", flush=True)
        while True:
            time.sleep(1)
            for name, process in running.items():
                if process.poll() is not None:
                    raise ServerError(f"{name} has ended with exit code {process.returncode}; see {folder}/{name}.log")


@contextlib.contextmanager
def _process(command: list[object], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` while the block does, out of reach of the terminal's signals; ask it to end, then make it."""
    with open(log, "ab") as file:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=PROJECT,
            env=environment,
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


def _wait(name: str, process: subprocess.Popen[bytes], address: str, folder: Path) -> None:
    """Wait until `address` answers."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(address, timeout=5).is_success:
                return
        time.sleep(0.3)
    raise ServerError(f"{name} does not start; see {folder}/{name}.log")


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(server_parser().parse_args())))
