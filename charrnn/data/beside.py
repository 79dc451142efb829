"""Makes the items of an iterator while something is computed of those before, on another core. Knows no text."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def beside(function: Callable[[Item], Result], items: Iterator[Item]) -> Iterator[tuple[Item, Result]]:
    """Yield each of `items` with `function(item)`, in order; it is computed in a thread while the next item is made.

    No more than two items are held. What `function` or `items` raise is raised here.
    """
    with ThreadPoolExecutor(1) as worker:
        begun: deque[tuple[Item, Future[Result]]] = deque()
        for item in items:
            begun.append((item, worker.submit(function, item)))
            if len(begun) == 2:
                before, computed = begun.popleft()
                yield before, computed.result()
        for last, computed in begun:
            yield last, computed.result()
