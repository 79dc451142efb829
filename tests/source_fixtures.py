"""Where texts come from in tests, all on this machine: a web server, a package, archives; what their tests share."""

import hashlib
import os
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from charrnn.data.corpus import Corpus
from charrnn.errors import CharrnnError

TEXT = b"".join(b"The quick brown fox, line %d.\n" % number for number in range(40))
OTHER = TEXT.swapcase()


@dataclass
class Site:
    """A server on this machine, and what it is to do."""

    address: str = ""
    content: bytes = TEXT
    status: int = 200
    etag: str | None = None
    date: str | None = None
    ranges: bool = True
    first_byte: int | None = None  # answers ranges with this one, whatever was asked for
    says_where: bool = True  # tells which bytes a range is
    says_length: bool = True
    cut_after: int | None = None
    moved_to: str | None = None
    requests: list[dict[str, str]] = field(default_factory=list)

    def url(self, path: str = "text.txt", scheme_to: str = "http://") -> str:
        return f"{scheme_to}{self.address}/{path}"


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            site.requests.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
            if site.moved_to and self.path != site.moved_to:
                self.send_response(302)
                self.send_header("Location", site.moved_to)
                self.end_headers()
                return
            start = self._start()
            if start is not None and start >= len(site.content):
                self.send_response(416)
                self.end_headers()
                return
            body = site.content[start or 0 :]
            self.send_response(206 if start is not None else site.status)
            if start is not None and site.says_where:
                self.send_header("Content-Range", f"bytes {start}-{len(site.content) - 1}/{len(site.content)}")
            if site.says_length:
                self.send_header("Content-Length", str(len(body)))
            if site.etag:
                self.send_header("ETag", site.etag)
            if site.date:
                self.send_header("Last-Modified", site.date)
            self.end_headers()
            self.wfile.write(body if site.cut_after is None else body[: site.cut_after])

        def _start(self) -> int | None:
            asked = self.headers.get("Range")
            condition = self.headers.get("If-Range")
            if not asked or not site.ranges or (condition and condition not in (site.etag, site.date)):
                return None
            if site.first_byte is not None:
                return site.first_byte
            return int(asked.removeprefix("bytes=").removesuffix("-"))

    return Handler


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Let the site have an address while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(site))
    site.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Site()) as site:
        yield site


Wheel = Callable[..., Path]


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """Return a function that makes the package `texts` 1.0 of the members given, the only one that pip can find."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    def make(**members: bytes) -> Path:
        about = {
            "texts-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: texts\nVersion: 1.0\n",
            "texts-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "texts-1.0.dist-info/RECORD": b"",
        }
        return zipped(folder / "texts-1.0-py3-none-any.whl", **about, **members)

    return make


def texts(corpus: Corpus) -> list[bytes]:
    """Return the bytes of each file."""
    return [file.path.read_bytes() for file in corpus.files]


def names(corpus: Corpus) -> list[str]:
    return [file.name for file in corpus.files]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def dead_url() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/text.txt"


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def one_line(error: CharrnnError) -> str:
    text = str(error)
    assert "\n" not in text
    return text
