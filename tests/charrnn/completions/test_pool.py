"""Slow calls in threads: few that wait, and an end that waits for none of them."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from charrnn.completions.engine import QueueFullError, StoppedError
from charrnn.completions.pool import Pool


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """What held calls wait for."""
    event = threading.Event()
    yield event
    event.set()


async def held(pool: Pool, go: threading.Event) -> "asyncio.Task[bool]":
    """Begin a call that waits for `go`."""
    begun = threading.Event()

    def wait() -> bool:
        begun.set()
        return go.wait(60)

    task = asyncio.create_task(pool.call(wait))
    await asyncio.to_thread(begun.wait, 60)
    return task


def waits(pool: Pool, function: Callable[[], object]) -> "asyncio.Task[object]":
    return asyncio.create_task(pool.call(function))


def test_a_call_is_answered_in_a_thread_of_the_pool() -> None:
    async def called() -> None:
        pool = Pool("a name", threads=1, waiting=0)
        assert (await pool.call(lambda: threading.current_thread().name)).startswith("a name")
        with pytest.raises(ZeroDivisionError):
            await pool.call(lambda: 1 / 0)
        assert pool.idle
        pool.stop()

    asyncio.run(called())


def test_a_call_beyond_those_that_may_wait_is_refused(go: threading.Event) -> None:
    async def called() -> None:
        pool = Pool("pool", threads=1, waiting=1)
        first = await held(pool, go)
        second = waits(pool, lambda: "second")
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await pool.call(lambda: None)
        second.cancel()  # which frees its place
        await asyncio.wait([second])
        third = waits(pool, lambda: "third")
        await asyncio.sleep(0)
        go.set()
        assert (await first, await third) == (True, "third")
        pool.stop()

    asyncio.run(called())


def test_when_it_refuses_what_runs_is_finished_and_what_waits_is_given_up(go: threading.Event) -> None:
    async def called() -> None:
        pool = Pool("pool", threads=1, waiting=1)
        first = await held(pool, go)
        second = waits(pool, lambda: "second")
        await asyncio.sleep(0)
        pool.refuse()
        for refused in (second, waits(pool, lambda: "third")):
            with pytest.raises(StoppedError, match="stopping"):
                await refused
        assert not pool.idle
        go.set()
        assert await first
        assert pool.idle

    asyncio.run(called())


def test_when_it_stops_nobody_waits_for_what_runs(go: threading.Event) -> None:
    async def called() -> None:
        pool = Pool("pool", threads=1, waiting=1)
        first = await held(pool, go)
        pool.stop()
        with pytest.raises(StoppedError):
            await first
        assert pool.idle

    asyncio.run(called())  # returns although the call goes on
    assert not go.is_set()
