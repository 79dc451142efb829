"""Models that are loaded when they are asked for: one at a time, and who cannot wait is told."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from charrnn.completions.app import create_app
from charrnn.completions.loads import WAITING
from charrnn.completions.shelf import Listed, OneModel, Served
from tests.charrnn.completions.models import running, served, until


def completion(address: str, model: str | None = None) -> httpx.Response:
    return httpx.post(f"{address}/v1/completions", json={"model": model}, timeout=60)


class Hung(OneModel):
    """A registry that does not answer when its other version is to be loaded, until it is let go; then it fails."""

    def __init__(self) -> None:
        super().__init__(served())
        self.go = threading.Event()
        self.fetched = 0

    def listed(self) -> Sequence[Listed]:
        return [*super().listed(), Listed("other", 0)]

    def fetch(self, name: str | None) -> Served:
        self.fetched += 1
        self.go.wait(60)
        raise OSError(f"http://user:secret@registry.example/: cannot load {name}")


def test_a_registry_that_hangs_holds_only_those_who_wait_for_it(caplog: pytest.LogCaptureFixture) -> None:
    shelf, asking = Hung(), 45
    with running(create_app(shelf)) as address, ThreadPoolExecutor(asking) as clients:
        answers = [clients.submit(completion, address, "other") for _ in range(asking)]
        until(lambda: sum(answer.done() for answer in answers) == asking - WAITING)
        for answer in (
            httpx.get(f"{address}/v1/models"),
            httpx.get(f"{address}/v1/models/other"),
            httpx.get(address),
            completion(address),
            httpx.post(f"{address}/score", json={"text": "abc"}),
        ):
            assert answer.status_code == 200
        assert completion(address, "nobody").status_code == 404
        shelf.go.set()
        found = [answer.result() for answer in answers]
    assert {(one.status_code, one.headers["Retry-After"]) for one in found} == {(503, "1")}
    codes = [one.json()["error"]["code"] for one in found]
    assert (codes.count("queue_full"), codes.count("not_loaded")) == (asking - WAITING, WAITING)
    assert not any("registry.example" in one.text for one in found)
    assert shelf.fetched == 1
    assert caplog.text.count("cannot load other: OSError: ") == 1
    assert "secret" not in caplog.text
