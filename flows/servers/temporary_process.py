"""Starts the process of a temporary Prefect server. Imports nothing slow, so that the server starts before what is."""

import atexit
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(__file__).with_name("temporary_program.py")


@dataclass(frozen=True)
class ServerProcess:
    """A server that starts, or has started, and ends by itself when this process does."""

    url: str
    """Address of its API."""


def start_server() -> ServerProcess | None:
    """Start a server on a free port of this machine, with the settings of the environment; waits for nothing.

    Connections queue up until it answers; they break if it ends before, as it does where Prefect's settings name
    another one.

    Returns:
        None where the environment names a server: that one is to be used.
    """
    if os.environ.get("PREFECT_API_URL"):
        return None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(listener.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    atexit.register(_dismiss, process)
    return ServerProcess(url)


def _dismiss(process: subprocess.Popen[bytes]) -> None:
    """Close the standard input of the server, which ends when it has done what was sent; do not wait for that."""
    assert process.stdin is not None
    process.stdin.close()
