"""The process of a temporary Prefect server: where it is not wanted, and how it ends."""

import atexit
from typing import Any

import httpx
import pytest

from flows.servers.temporary_process import start_server


def test_where_the_environment_names_a_server_none_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert start_server() is None


def test_it_answers_at_its_address_and_ends_when_it_is_dismissed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    registered: list[tuple[Any, ...]] = []
    monkeypatch.setattr(atexit, "register", lambda *call: registered.append(call))
    started = start_server()
    assert started is not None
    assert httpx.get(f"{started.url}/health", timeout=180).json() is True
    ((dismiss, process),) = registered
    dismiss(process)
    assert process.wait(30) == 0
