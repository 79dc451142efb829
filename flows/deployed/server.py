"""Asks the Prefect server of a deployed run, and waits while it, or its database, restarts."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client

# How long it may be away (s).
PATIENCE = 60.0

Answer = TypeVar("Answer")


def answered(ask: Callable[[SyncPrefectClient], Answer]) -> Answer:
    """Return what `ask` gives, which is called again while the server does not answer as it should.

    Prefect's client tries again where a connection breaks off, but not where the server answers with status 500.

    Raises:
        httpx.HTTPError: it has not answered for `PATIENCE` seconds.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with get_client(sync_client=True) as client:
                return ask(client)
        except httpx.HTTPError:
            if time.monotonic() > end:
                raise
            time.sleep(1)
