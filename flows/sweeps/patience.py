"""Waiting for a store that is away: a request is made again until the store answers, or the sweep is to end."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from charrnn.errors import TrackingError
from charrnn.stopping import StopRequest

logger = logging.getLogger("charrnn")

# How long a store may be away, and the time between two attempts (s).
PATIENCE, PAUSE = 600.0, 2.0

T = TypeVar("T")


class Stopping:
    """Whether the sweep is to end, because a signal asked for it or for a reason of its own."""

    def __init__(self, request: StopRequest) -> None:
        """Follow `request`."""
        self._request = request
        self._event = threading.Event()

    def is_set(self) -> bool:
        """Return whether it is."""
        return self._event.is_set() or self._request.signal is not None

    def set(self) -> None:
        """Say that it is."""
        self._event.set()

    def clear(self) -> None:
        """Take back what `set` said."""
        self._event.clear()

    def wait(self, seconds: float) -> None:
        """Wait, at most until `set`."""
        self._event.wait(seconds)


class AwayError(TrackingError):
    """A store does not answer now; it may answer later."""


def patiently(request: Callable[[], T], stopping: Stopping) -> T:
    """Return what `request` returns; it is called again while it raises AwayError, for at most ten minutes.

    Args:
        request: may be made again.
        stopping: nobody is to wait any more when it is set.

    Raises:
        AwayError: the store was away all the time.
    """
    until, said = time.monotonic() + PATIENCE, False
    while True:
        try:
            result = request()
        except AwayError as error:
            if stopping.is_set() or time.monotonic() >= until:
                raise
            if not said:
                said = True
                logger.warning("warning   %s; the sweep waits", error)
            stopping.wait(PAUSE)
        else:
            if said:
                logger.info("sweep     the store answers again")
            return result
