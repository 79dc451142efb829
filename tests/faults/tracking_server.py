"""A real MLflow server that can be killed and started again, and a way to it on which things go wrong."""

import os
import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from mlflow import MlflowClient

from tests.ports import free_port


class Server:
    """`mlflow server` on a port that stays its own, with its store in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri)

    def start(self) -> None:
        """Start it, without waiting for it to answer; nothing happens when it runs."""
        if self._process is not None:
            return
        store = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        store += ["--artifacts-destination", str(self.folder / "artifacts")]
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        with open(self.folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(
                [*command, "--workers", "1", *store],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Start it if it does not run, and wait until it answers."""
        self.start()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.2)
        raise AssertionError((self.folder / "server.log").read_text()[-2000:])

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


IDLE = 0.5
Behaviour = Literal["pass on", "lose the first answer", "close what was idle", "never answer"] | int
"""What the way does to requests; a number is an HTTP status it answers with itself.

To close what was idle is to break a connection when its next request comes after IDLE seconds, as a server does that
closes it in that moment.
"""


class Way(ThreadingHTTPServer):
    """A proxy between the pipeline and the server."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        """Lead to the server that listens on `port` of this machine."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.uri = f"http://127.0.0.1:{self.server_address[1]}"
        self.port = port
        self.behaviour: Behaviour = "pass on"
        self.lost: set[tuple[str, str, bytes]] = set()
        self.requests = 0
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gave up is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Way
    used = float("inf")

    def handle_any(self) -> None:
        self._handle(time.monotonic() - self.used)
        self.used = time.monotonic()

    def _handle(self, idle: float) -> None:
        way = self.server
        way.requests += 1
        body = self._body()
        if way.behaviour == "close what was idle" and idle >= IDLE:
            self.close_connection = True
            return None
        if isinstance(way.behaviour, int):
            return self._answer(way.behaviour, b"not now", "text/plain")
        if way.behaviour == "never answer":
            way.released.wait(60)
            self.close_connection = True
            return None
        connection = HTTPConnection("127.0.0.1", way.port, timeout=60)
        dropped = ("host", "connection", "transfer-encoding", "content-length", "accept-encoding")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        # A file is the same file when its content differs by the time it was made; some of a model's many are enough.
        request = (self.command, self.path, b"" if self.command == "PUT" else body)
        loses = way.behaviour == "lose the first answer" and self.command != "GET" and "/code/" not in self.path
        if loses and request not in way.lost:
            way.lost.add(request)
            self.close_connection = True
            return None
        return self._answer(answer.status, content, answer.headers.get("Content-Type", "application/json"))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size + 2)[:-2]
        self.rfile.readline()
        return body

    def _answer(self, status: int, content: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Nothing is logged."""
