"""Waiting for a store that is away: a request is made again until the store answers."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from charrnn.errors import TrackingError

logger = logging.getLogger("charrnn")

# How long a store may be away, and the time between two attempts (s).
PATIENCE, PAUSE = 600.0, 2.0

T = TypeVar("T")


class AwayError(TrackingError):
    """A store does not answer now; it may answer later."""


def patiently(request: Callable[[], T], stopping: threading.Event) -> T:
    """Return what `request` returns; it is called again while it raises AwayError, for at most ten minutes.

    Args:
        request: may be made again.
        stopping: is set when nobody is to wait any more.

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
