"""A Prefect server for one run of the flow, where no other is named: out of reach of Ctrl-C, gone when the run is.

Prefect's own temporary server runs in the foreground of the terminal: Ctrl-C ends it first, and the flow then waits
minutes for it. It also outlives a process that is killed.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_EPHEMERAL_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from charrnn.config.redaction import one_line
from charrnn.data.folder import DataFolder
from charrnn.errors import ServerError
from flows.servers.named_server import check_named
from flows.servers.proxies import check_proxies
from flows.servers.temporary_process import ServerProcess, start_server

_temporary = False


def is_temporary() -> bool:
    """Return whether the server of this process is a temporary one, which has no workers."""
    return _temporary


@contextmanager
def temporary_server(data: DataFolder, process: ServerProcess | None = None) -> Iterator[None]:
    """Have a server while the block runs, unless the settings name one or forbid it.

    It stays until the interpreter ends, so that Prefect can send its last events and log lines.

    Args:
        data: keeps the database of a server that is started.
        process: a server that was started before; None starts one.

    Raises:
        ServerError: it does not start, the one that the settings name does not answer, or a proxy that the environment
            names has no address.
        FileError: the data folder cannot be written.
    """
    check_proxies()
    if url := PREFECT_API_URL.value():
        check_named(url)
    if not url and PREFECT_SERVER_EPHEMERAL_ENABLED.value() and (process := process or start_server(data)):
        global _temporary
        _wait(process)
        with temporary_settings({PREFECT_API_URL: process.url}):
            _temporary = True
            try:
                yield
            finally:
                _temporary = False
    else:
        yield


def _wait(process: ServerProcess) -> None:
    """Wait until the server has started."""
    seconds = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
    if reason := process.wait(seconds):
        home = process.home
        raise ServerError(
            f"the temporary Prefect server does not start: {one_line(reason)}; its log and its database are in {home}, "
            "which may be removed"
        )
