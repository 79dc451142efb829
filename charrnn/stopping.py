"""Stopping on request: SIGINT and SIGTERM wait for a moment at which everything can be saved.

While `stop_requests` is active the first signal is only noted; the second one interrupts at once. Elsewhere a signal
raises an exception where it arrives. Python drops an exception that is raised in a destructor or in the callback of a
weak reference; the signal is not lost, since `signals_noted` has noted it.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether and by which signal a stop was asked for."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: note the first signal, act on the second."""
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number

    def raise_if_requested(self, terminated: Callable[[int], BaseException]) -> None:
        """Raise what was asked for: KeyboardInterrupt for SIGINT, `terminated(signal)` for SIGTERM, else nothing."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise terminated(self.signal)


_noted = StopRequest()


@contextmanager
def signals_noted(terminated: type[BaseException]) -> Iterator[StopRequest]:
    """Note SIGINT and SIGTERM while the block runs, then call their handlers; outside the main thread, do nothing.

    Args:
        terminated: what SIGTERM raises here. Python drops it in a destructor; its traceback is then not printed.
    """
    _noted.signal = None
    if threading.current_thread() is not threading.main_thread():
        yield _noted
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        _noted.signal = number
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    def report(dropped: "sys.UnraisableHookArgs") -> None:
        # Python would print a traceback for the dropped exception; the signal was noted and ends the run.
        if not isinstance(dropped.exc_value, KeyboardInterrupt | terminated):
            report_before(dropped)

    report_before, sys.unraisablehook = sys.unraisablehook, report
    for number in before:
        signal.signal(number, note)
    try:
        yield _noted
    finally:
        sys.unraisablehook = report_before
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stop_requests(*, overlooked: bool = False) -> Iterator[StopRequest]:
    """Note SIGINT and SIGTERM while the block runs; outside the main thread, nothing changes.

    Args:
        overlooked: begin with the signal that `signals_noted` has noted before, if any.
    """
    request = StopRequest()
    if overlooked:
        request.signal = _noted.signal
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, request.note) for number in numbers]
    try:
        yield request
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block has ended: it must not be left half done, as it may hold a lock.

    The second signal interrupts at once.
    """
    try:
        with stop_requests() as stop:
            yield
    finally:
        if stop.signal is not None:
            signal.raise_signal(stop.signal)
