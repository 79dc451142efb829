"""Registered models, found by name, version and alias."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow
import pytest

from charrnn.errors import TrackingError
from tasks.tracking.mlflow import Store, download_model
from tasks.tracking.trained_models import find_model
from tests.ports import free_port
from tests.tasks.tracking.places import at_store, experiment_of, one_line
from tests.workplace import Finished

Get = Callable[[str, Path], Path]


@pytest.fixture(scope="module")
def registered(finished: Finished) -> Iterator[Get]:
    """Download a registered model; `ten` has ten versions, of which only the last one has files."""
    client = finished.workplace.client
    real = client.get_model_version_download_uri("charrnn", finished.summary.model_version)
    client.create_registered_model("ten")
    for number in range(1, 11):
        client.create_model_version("ten", real if number == 10 else f"{real}/nothing", run_id=finished.run_id)
    client.set_registered_model_alias("ten", "best", "10")
    client.set_registered_model_alias("ten", "broken", "9")
    store = Store(finished.workplace.uri)

    def get(wanted: str, folder: Path) -> Path:
        return download_model(store, wanted, folder)

    yield get
    client.delete_registered_model("ten")


@pytest.mark.parametrize("wanted", ["ten", "ten/10", "ten@best"])
def test_a_registered_model_comes_with_its_checkpoint(registered: Get, tmp_path: Path, wanted: str) -> None:
    assert [path.name for path in registered(wanted, tmp_path).rglob("*.ckpt")] == ["best.ckpt"]


@pytest.mark.parametrize("wanted", ["ten/9", "ten@broken", "ten/11", "ten/last", "ten@worst", "hundred", "hundred/1"])
def test_a_model_that_is_not_there_is_named(registered: Get, tmp_path: Path, wanted: str) -> None:
    with pytest.raises(TrackingError) as caught:
        registered(wanted, tmp_path)
    assert one_line(caught.value).startswith(f"model {wanted}: ")


@pytest.mark.parametrize("wanted", ["nobody", "nobody@champion", "nobody/1"])
def test_a_store_that_is_away_is_not_told_as_a_model_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    uri = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(TrackingError) as caught:
        find_model(experiment_of(at_store(uri)), wanted)
    line = one_line(caught.value)
    assert line.startswith(f"model {wanted}: tracking.uri {uri}: ")
    assert "Connection refused" in line
    assert "nor is it" not in line


def test_registering_a_model_does_not_change_the_store_of_the_next_run(finished: Finished) -> None:
    assert finished.summary.model_version
    assert not mlflow.is_tracking_uri_set()
    assert "MLFLOW_TRACKING_URI" not in os.environ


class _NoRegistry(BaseHTTPRequestHandler):
    """Answers every question about a model with one version that has no number, and about an alias with 401."""

    def do_GET(self) -> None:
        body = json.dumps({"model_versions": [{"name": "a", "version": "y", "creation_timestamp": 1}]}).encode()
        self.send_response(401 if "/alias" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ("a", "model a: {} answers with a version that has no number or no time"),
        ("a@champion", "model a@champion: tracking.uri {}: "),
    ],
)
def test_a_server_that_is_no_registry_or_refuses_is_an_error_that_names_it(wanted: str, problem: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _NoRegistry) as server:
        threading.Thread(target=server.serve_forever).start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            with pytest.raises(TrackingError) as error:
                find_model(experiment_of(at_store(address)), wanted)
        finally:
            server.shutdown()
    assert str(error.value).startswith(problem.format(address))
    assert "nor is it" not in str(error.value)
