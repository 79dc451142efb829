"""Starts the process of a temporary Prefect server. Imports nothing slow, so that the server starts before what is.

The server keeps its database in the data folder, not in PREFECT_HOME: what is there may be of another version of
Prefect, or be in use.
"""

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from charrnn.config.sqlite_address import sqlite_address
from charrnn.data.folder import DataFolder
from charrnn.files import explain

PROGRAM = Path(__file__).with_name("temporary_program.py")
# The older name of the setting that names the database.
_OLDER_NAME = "PREFECT_API_DATABASE_CONNECTION_URL"


@dataclass(frozen=True)
class ServerProcess:
    """A server that starts, or has started, and ends by itself when this process does.

    Attributes:
        url: address of its API.
        home: the folder of its database and its log.
        process: it.
        failure: gives the reason why it does not start; ends when it has started, or is gone.
    """

    url: str
    home: Path
    process: subprocess.Popen[bytes]
    failure: BinaryIO

    def wait(self, seconds: float) -> str:
        """Wait until it has started or failed, at most `seconds`; return in words why it does not start, else ''."""
        if not select.select([self.failure], [], [], seconds)[0]:
            return f"no answer within {seconds:g} s"
        with self.failure as failure:
            reason = failure.read().decode("utf-8", "replace")
        return reason or self._ending()

    def _ending(self) -> str:
        """Return in words how it has ended without giving a reason; '' where it runs."""
        try:
            # One that runs has been heard of, so only one that ends at this moment is waited for.
            code = self.process.wait(0.1)
        except subprocess.TimeoutExpired:
            return ""
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def start_server(data: DataFolder) -> ServerProcess | None:
    """Start a server on a free port of this machine, with the settings of the environment; waits for nothing.

    Connections queue up until it answers; they break if it ends before, as it does where Prefect's settings name
    another one.

    Args:
        data: keeps its database and its log.

    Returns:
        None where the environment names a server: that one is to be used.

    Raises:
        FileError: the data folder cannot be written.
    """
    if os.environ.get("PREFECT_API_URL"):
        return None
    home = data.prefect
    ours, theirs = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as listener, open(theirs, "wb") as failure:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        descriptors = (listener.fileno(), failure.fileno())
        try:
            home.mkdir(parents=True, exist_ok=True)
            with open(home / "server.log", "ab") as log:
                process = subprocess.Popen(
                    [sys.executable, str(PROGRAM), str(home), *map(str, descriptors)],
                    env=_environment(home),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=descriptors,
                    start_new_session=True,
                )
        except OSError as error:
            os.close(ours)
            raise explain(error, "write", home) from None
    atexit.register(_dismiss, process)
    return ServerProcess(url, home, process, open(ours, "rb"))


def _environment(home: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != _OLDER_NAME}
    return {
        **inherited,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": sqlite_address(home / "prefect.db", driver="aiosqlite"),
        # What stands in the database already; by default in PREFECT_HOME.
        "PREFECT_SERVER_MEMO_STORE_PATH": str(home / "memo_store.toml"),
    }


def _dismiss(process: subprocess.Popen[bytes]) -> None:
    """Close the standard input of the server, which ends when it has done what was sent; do not wait for that."""
    assert process.stdin is not None
    process.stdin.close()
