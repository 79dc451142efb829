"""A Prefect server for one run of the flow, where no other is named: out of reach of Ctrl-C, gone when the run is.

Prefect's own temporary server runs in the foreground of the terminal: Ctrl-C ends it first, and the flow then waits
minutes for it. It also outlives a process that is killed.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_EPHEMERAL_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from charrnn.config.redaction import redact
from charrnn.errors import ServerError
from flows.servers.temporary_process import ServerProcess, start_server

_temporary = False


def is_temporary() -> bool:
    """Return whether the server of this process is a temporary one, which has no workers."""
    return _temporary


@contextmanager
def temporary_server(process: ServerProcess | None = None) -> Iterator[None]:
    """Have a server while the block runs, unless the settings name one or forbid it.

    It stays until the interpreter ends, so that Prefect can send its last events and log lines.

    Args:
        process: a server that was started before; None starts one.

    Raises:
        ServerError: it does not start, or the one that the settings name does not answer.
    """
    if url := PREFECT_API_URL.value():
        _check(url)
    if not url and PREFECT_SERVER_EPHEMERAL_ENABLED.value() and (process := process or start_server()):
        _wait(process.url)
        global _temporary
        with temporary_settings({PREFECT_API_URL: process.url}):
            _temporary = True
            try:
                yield
            finally:
                _temporary = False
    else:
        yield


def _check(url: str) -> None:
    with get_client(sync_client=True) as client:
        try:
            client.api_version()  # the health check would succeed without the password, too
        except PrefectHTTPStatusError as error:
            status = error.response.status_code
            wanted = "; it wants PREFECT_API_AUTH_STRING=USER:PASSWORD" if status == 401 else ""
            raise ServerError(f"PREFECT_API_URL {redact(url)}: the Prefect server answers {status}{wanted}") from None
        except httpx.HTTPError as error:
            raise ServerError(
                f"PREFECT_API_URL {redact(url)}: the Prefect server does not answer: {redact(str(error))}"
            ) from None


def _wait(url: str) -> None:
    """Wait until the server at `url` answers."""
    try:
        httpx.get(f"{url}/health", timeout=PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()).raise_for_status()
    except httpx.HTTPError as error:
        raise ServerError(f"the temporary Prefect server does not start: {error or type(error).__name__}") from None
