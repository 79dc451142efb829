"""The program of a temporary Prefect server, which `temporary_process` starts with a listening socket as argument.

Serves until its standard input ends, which happens when the process that started it ends in whatever way. Ignores
signals: those of a terminal or a container reach every process, and the flow still has to report its stop.
"""

import signal
import socket
import sys
import threading
import time
from pathlib import Path

import uvicorn
from filelock import FileLock
from prefect.server.api.server import create_app
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_SERVER_EPHEMERAL_ENABLED

# How long the services may take to end (s).
GRACE = 5.0


def main() -> None:
    """Serve on the socket that is open as the file descriptor given, unless the settings name a server or want none."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if PREFECT_API_URL.value() or not PREFECT_SERVER_EPHEMERAL_ENABLED.value():
        return
    listener = socket.socket(fileno=int(sys.argv[1]))
    home = Path(PREFECT_HOME.value())
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".temporary-server.lock"):  # the first one makes the tables of Prefect's database
        app = create_app(ephemeral=True, final=True)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while thread.is_alive() and not server.started:
            time.sleep(0.05)
    sys.stdin.buffer.read()
    server.should_exit = True
    thread.join(GRACE)


if __name__ == "__main__":
    main()
