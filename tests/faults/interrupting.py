"""Ctrl-C in this process, at a line of the log: what `workplace.call` runs is stopped there."""

import logging
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class _Interrupt(logging.Handler):
    def __init__(self, pattern: str, number: int) -> None:
        super().__init__()
        self._pattern = pattern
        self._number = number
        self.times = 0

    def emit(self, record: logging.LogRecord) -> None:
        if not self.times and re.search(self._pattern, record.getMessage()):
            self.times += 1
            signal.raise_signal(self._number)


@contextmanager
def interrupted_at(pattern: str, number: int = signal.SIGINT) -> Iterator[None]:
    """Send this process a signal when the first line with `pattern` is logged; it must be."""
    logger, handler = logging.getLogger("charrnn"), _Interrupt(pattern, number)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert handler.times == 1, f"no line with {pattern}"
