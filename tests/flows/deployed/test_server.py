"""A Prefect server that is away for a while, or whose database is, is waited for, and not for ever."""

import logging
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.artifacts import leave_link, leave_page
from flows.deployed import server
from flows.deployed.late_runs import drop_late_runs
from flows.deployed.recovery import nothing_to_recover, taken_over
from tests.faults.tracking_server import Way


@flow
def anything() -> None:
    """A flow."""


@pytest.fixture
def way(api_url: str) -> Iterator[Way]:
    """A way to the server, which Prefect's settings name."""
    made = Way(int(urlsplit(api_url).port or 0))
    threading.Thread(target=made.serve_forever, daemon=True).start()
    with temporary_settings({PREFECT_API_URL: f"{made.uri}/api"}):
        yield made
    made.shutdown()
    made.server_close()


def test_what_a_deployed_run_asks_and_leaves_waits_for_a_server_whose_database_restarts(way: Way) -> None:
    with get_client(sync_client=True) as client:
        flow_run = str(client.create_flow_run(anything).id)
    for ask in (
        taken_over,
        lambda one: nothing_to_recover(one, one),
        lambda one: drop_late_runs(one, str(uuid4())),
        lambda one: leave_page("a page", key="a-page", description=one),
        lambda one: leave_link("http://127.0.0.1:1", text=one, key="a-link"),
    ):
        way.behaviour, way.requests = 500, 0
        threading.Timer(2, setattr, (way, "behaviour", "pass on")).start()
        ask(flow_run)
        assert way.requests > 2
    with get_client(sync_client=True) as client:
        assert {"a-page", "a-link"} <= {one.key for one in client.read_latest_artifacts()}


def test_a_run_does_not_fail_for_want_of_a_page(
    way: Way, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.0)
    way.behaviour = 500
    with caplog.at_level(logging.WARNING, "charrnn"):
        leave_page("a page", key="never-there", description="")
    assert "the page of the flow run has no 'never-there'" in caplog.text


def test_a_server_that_stays_away_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.0)
    away = temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0})
    with away, pytest.raises(httpx.HTTPError):
        taken_over(str(uuid4()))
