"""A Prefect server for one run of the flow, where no other is named: out of reach of Ctrl-C, gone when the run is.

Prefect would start one, too, but as a part of the terminal's foreground: Ctrl-C ends that server first, and the flow
then waits minutes for it. And that one outlives a process that is killed.
"""

import atexit
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from filelock import FileLock
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_SERVER_EPHEMERAL_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    get_current_settings,
    temporary_settings,
)

from charrnn.errors import ServerError
from charrnn.redaction import redact

SCRIPT = Path(__file__).with_name("prefect_server.py")


@contextmanager
def temporary_server() -> Iterator[None]:
    """Have a server while the block runs, unless the settings name one or forbid it.

    It stays until the interpreter ends, so that Prefect can send its last events and log lines.

    Raises:
        ServerError: it does not start, or the one that the settings name does not answer.
    """
    if url := PREFECT_API_URL.value():
        _check(url)
    if url or not PREFECT_SERVER_EPHEMERAL_ENABLED.value():
        yield
        return
    home = Path(PREFECT_HOME.value())
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".temporary-server.lock"):  # the first one makes the tables of Prefect's database
        url = _start()
    with temporary_settings({PREFECT_API_URL: url}):
        yield


def _check(url: str) -> None:
    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
    if problem is not None:
        raise ServerError(f"PREFECT_API_URL {redact(url)}: the Prefect server does not answer: {redact(str(problem))}")


def _start() -> str:
    """Start the server and wait until it answers; return the address of its API."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        server = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(listener.fileno())],
            env={**os.environ, **get_current_settings().to_environment_variables(exclude_unset=True)},
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    atexit.register(_dismiss, server)
    try:
        httpx.get(f"{url}/health", timeout=PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()).raise_for_status()
    except httpx.HTTPError as error:
        raise ServerError(f"the temporary Prefect server does not start: {error or type(error).__name__}") from None
    return url


def _dismiss(server: subprocess.Popen[bytes]) -> None:
    """Let the server end when it is done with what was sent; nobody waits for it."""
    assert server.stdin is not None
    server.stdin.close()
