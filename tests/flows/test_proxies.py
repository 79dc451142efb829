"""A machine whose way to the internet is a proxy: only what is on the internet goes that way."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.tracking_server import Server
from tests.texts import made_up_play
from tests.workplace import SMOKE, Workplace

TEXT = "http://text.example/play.txt"
PROXIES = ("HTTP_PROXY", "https_proxy", "ALL_PROXY")


class Proxy(ThreadingHTTPServer):
    """Has one text of the internet, and answers 403 to everything else, as proxies do for 127.0.0.1."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: set[str] = set()
        self.text = made_up_play(20_000).encode()


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def handle_any(self) -> None:
        self.server.asked.add(self.path if self.command == "CONNECT" else urlsplit(self.path).netloc)
        known = (self.command, self.path) == ("GET", TEXT)
        self.send_response(200 if known else 403)
        self.end_headers()
        self.wfile.write(self.server.text if known else b"not allowed")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = handle_any  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing is told."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def tracking(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    try:
        server.wait()
        yield server
    finally:
        server.kill()


def test_a_run_reaches_its_servers_directly_and_the_text_through_the_proxy(
    tmp_path: Path, proxy: Proxy, tracking: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a temporary Prefect server and a real MLflow server, and no NO_PROXY."""
    place = Workplace(tmp_path, tmp_path / "unused", api_url="")
    texts = [f"data.sources=['{TEXT}']", f"data.directory={place.data_folder}", f"tracking.uri={tracking.uri}"]
    options = [part for text in [*texts, "tasks.retries=0", "report.seconds=0"] for part in ("--set", text)]
    with monkeypatch.context() as environment:
        for name in (*PROXIES, "NO_PROXY"):
            for either in (name.upper(), name.lower()):
                environment.delenv(either, raising=False)
        for name in PROXIES:
            environment.setenv(name, f"http://127.0.0.1:{proxy.server_port}")
        process = place.start("--params", str(SMOKE), *options, "--quiet")
        out, log = process.communicate(timeout=240)
    assert process.returncode == 0, log
    assert tracking.client.get_run(out.strip()).info.status == "FINISHED"
    assert proxy.asked == {"text.example"}
