"""Pools: slow calls in threads of their own, so that neither the event loop nor calls of another kind wait for them.

The pools of the framework and of asyncio take whatever comes, are shared by all, and are waited for at the end; these
take few, and are left behind.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from charrnn.completions.engine import STOPPING, QueueFullError, StoppedError

T = TypeVar("T")


class Pool:
    """Threads for calls of one kind. Its methods are called in the event loop."""

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        """Begin with no calls.

        Args:
            name: of the threads.
            threads: calls that run at the same time.
            waiting: calls that wait for a thread at most.
        """
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads + waiting
        self._calls: set[asyncio.Future[Any]] = set()
        self._stops = False

    @property
    def idle(self) -> bool:
        """Whether nobody waits for a call."""
        return not self._calls

    async def call(self, function: Callable[[], T]) -> T:
        """Return what `function` returns, or raise what it raises.

        Raises:
            QueueFullError: too many calls wait already.
            StoppedError: it was told to stop before this call had an answer.
        """
        if self._stops:
            raise StoppedError(STOPPING)
        if len(self._calls) >= self._most:
            raise QueueFullError
        task = asyncio.current_task()
        answer = asyncio.wrap_future(self._executor.submit(function))
        self._calls.add(answer)
        try:
            return await answer
        except asyncio.CancelledError:
            if self._stops and not (task and task.cancelling()):
                raise StoppedError(STOPPING) from None
            raise
        finally:
            self._calls.discard(answer)

    def refuse(self) -> None:
        """Take no more calls, and give up those that have not begun."""
        self._stops = True
        self._executor.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Give up all calls. Those that have begun go on in their threads; nobody waits for them."""
        self.refuse()
        for answer in tuple(self._calls):
            answer.cancel()
