"""Steady requests to the served champion, each of which is to be answered."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.soak.record import Ledger

CLIENTS, PAUSE = 2, 0.5
BODY = {"model": "charrnn@champion", "prompt": "QUEEN:", "max_tokens": 60, "temperature": 0.8}


class Load:
    """Clients that ask for texts, each one request after the other, until they are stopped."""

    def __init__(self, address: str, ledger: Ledger) -> None:
        self._address, self._ledger, self._stopped = address, ledger, threading.Event()
        self._pool = ThreadPoolExecutor(CLIENTS, thread_name_prefix="client")
        self._clients = [self._pool.submit(self._ask) for _ in range(CLIENTS)]

    def stop(self) -> None:
        """End after the requests that are under way."""
        self._stopped.set()
        self._pool.shutdown()
        for client in self._clients:
            client.result()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._address, timeout=60, trust_env=False) as client:
            while not self._stopped.wait(PAUSE):
                self._request(client)

    def _request(self, client: httpx.Client) -> None:
        ledger, began = self._ledger, time.monotonic()
        ledger.requests += 1
        try:
            answer = client.post("/v1/completions", json=BODY).raise_for_status().json()
            text, model = answer["choices"][0]["text"], answer["model"]
        except (httpx.HTTPError, ValueError, LookupError) as error:
            ledger.failures.append(f"{type(error).__name__}: {error}")
            return
        if len(text) != BODY["max_tokens"]:
            ledger.failures.append(f"{len(text)} characters of {BODY['max_tokens']}")
            return
        ledger.latencies.append(time.monotonic() - began)
        if model not in ledger.models:
            ledger.models.append(model)
