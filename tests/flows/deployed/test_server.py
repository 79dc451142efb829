"""A Prefect server that is away for a while, or whose database is, is waited for, and not for ever."""

import threading
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.deployed import server
from flows.deployed.late_runs import drop_late_runs
from flows.deployed.recovery import nothing_to_recover, taken_over
from tests.faults.tracking_server import Way


@flow
def anything() -> None:
    """A flow."""


def test_what_a_deployed_run_asks_first_waits_for_a_server_whose_database_restarts(api_url: str) -> None:
    with get_client(sync_client=True) as client:
        flow_run = str(client.create_flow_run(anything).id)
    way = Way(int(urlsplit(api_url).port or 0))
    threading.Thread(target=way.serve_forever, daemon=True).start()
    try:
        with temporary_settings({PREFECT_API_URL: f"{way.uri}/api"}):
            for ask in (taken_over, nothing_to_recover, lambda one: drop_late_runs(one, str(uuid4()))):
                way.behaviour, way.requests = 500, 0
                threading.Timer(2, setattr, (way, "behaviour", "pass on")).start()
                ask(flow_run)
                assert way.requests > 2
    finally:
        way.shutdown()
        way.server_close()


def test_a_server_that_stays_away_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.0)
    away = temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0})
    with away, pytest.raises(httpx.HTTPError):
        taken_over(str(uuid4()))
