"""The program of a temporary Prefect server, which `temporary_process` starts.

Its arguments are the folder it keeps its data in, the file descriptor of a listening socket, and that of a pipe which
takes the reason if it does not start. Serves until its standard input ends, which happens when the process that started
it ends in whatever way. Ignores signals: those of a terminal or a container reach every process, and the flow still has
to report its stop.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn
from filelock import FileLock
from prefect.server.api.server import create_app
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_EPHEMERAL_ENABLED

# How long the services may take to end (s).
GRACE = 5.0

Scope = MutableMapping[str, Any]
Asgi = Callable[[Scope, Callable[[], Awaitable[Scope]], Callable[[Scope], Awaitable[None]]], Awaitable[None]]


def main(home: Path, listener: int, failure: int) -> int:
    """Serve on the socket `listener`, unless the settings name a server or want none; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if PREFECT_API_URL.value() or not PREFECT_SERVER_EPHEMERAL_ENABLED.value():
        return 0
    errors: list[BaseException] = []
    with FileLock(home / ".lock"):  # the first one makes the tables of the database
        app = _noting(create_app(ephemeral=True, final=True), errors)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=1))
        sockets = [socket.socket(fileno=listener)]
        thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
        thread.start()
        while thread.is_alive() and not server.started:
            time.sleep(0.05)
    if not server.started:
        os.write(failure, _reason(errors).encode())
        return 1
    os.close(failure)
    sys.stdin.buffer.read()
    server.should_exit = True
    thread.join(GRACE)
    return 0


def _noting(app: Asgi, errors: list[BaseException]) -> Asgi:
    """Return `app`, which puts what ends its start into `errors`: uvicorn logs that and says no more."""

    async def noting(
        scope: Scope, receive: Callable[[], Awaitable[Scope]], send: Callable[[Scope], Awaitable[None]]
    ) -> None:
        try:
            await app(scope, receive, send)
        except BaseException as error:
            if scope["type"] == "lifespan":
                errors.append(error)
            raise

    return noting


def _reason(errors: list[BaseException]) -> str:
    """Return the first line of the first error: what follows in those of a database are its statement and a link."""
    return next((str(error).partition("\n")[0] or type(error).__name__ for error in errors), "")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
