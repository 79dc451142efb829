"""Serves the app on a socket until SIGINT or SIGTERM, after which what runs is finished."""

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from charrnn.completions.app import Service
from charrnn.completions.faults import OneLine

DRAIN_SECONDS = 3.5
"""How long texts that run may still take after a signal; what is then unfinished fails."""
CLOSE_SECONDS = 1
"""How long answers may still take to be sent then."""
HEAD_SECONDS = 10.0
"""How long a client may take to send the head of a request; so long is a connection kept open that asks for nothing."""
TAKE_SECONDS = 60.0
"""How long a client may take nothing of what it is sent."""
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": OneLine}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"uvicorn": {"handlers": ["stderr"], "propagate": False}},
}


def serve(app: FastAPI, listener: socket.socket, announce: Callable[[], None]) -> None:
    """Serve `app` on `listener` until SIGINT or SIGTERM; then refuse new requests, finish what runs, and return.

    Args:
        app: of `charrnn.completions.app.create_app`.
        listener: has its address.
        announce: called when requests are answered and signals are heard.
    """
    asyncio.run(_Server(configured(app), app.state.service, announce).serve([listener]))


def configured(app: ASGIApp) -> uvicorn.Config:
    """Return uvicorn's settings for `app`: quiet, and patient for a while only."""
    return uvicorn.Config(
        app,
        http=_ImpatientProtocol,
        ws="none",
        log_config=LOGGING,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=int(HEAD_SECONDS),
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )


class _Server(uvicorn.Server):
    """uvicorn's server, which ends without passing the signal on: ending by a signal is the usual end."""

    def __init__(self, config: uvicorn.Config, service: Service, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._service, self._announce = service, announce
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        self._announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Answer signals while the block runs."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._begin_to_end)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _begin_to_end(self) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        """Refuse what comes and finish what runs, for a while."""
        self._service.refuse()
        until = time.monotonic() + DRAIN_SECONDS
        while not self._service.idle and time.monotonic() < until:
            await asyncio.sleep(0.02)
        await self._service.stop()
        # uvicorn would log a traceback of every answer that it ends from now on.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.should_exit = True


class _ImpatientProtocol(H11Protocol):
    """uvicorn's protocol, which gives up a connection whose client is too slow.

    That is one whose request has no complete head in time, or that takes nothing of what it is sent for too long. The
    latter is not left to those who send: an answer may be sent in one go, and the connection be closing already.
    """

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for a request."""
        super().connection_made(transport)
        # Whatever the sockets do not take pauses the writing: it is here that it is seen.
        transport.set_write_buffer_limits(high=0)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        super().data_received(data)
        if self._is_answering:
            self._wait_no_longer()
        elif self._deadline is None:
            self._wait()

    def pause_writing(self) -> None:
        """Wait until the client takes something."""
        super().pause_writing()
        self._expect_less()

    def resume_writing(self) -> None:
        """Go on: the client has taken all."""
        self._expect_nothing()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        self._expect_nothing()
        super().connection_lost(exc)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self._is_answering:
            self.transport.close()

    def _expect_less(self) -> None:
        left = self._unsent()
        self._stalled = self.loop.call_later(TAKE_SECONDS, self._look_whether_less_than, left)

    def _expect_nothing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _look_whether_less_than(self, left: int) -> None:
        if self._unsent() < left:
            self._expect_less()
        else:
            self.transport.abort()

    def _unsent(self) -> int:
        """Return the bytes that wait for the client; nothing more is written until it has taken them."""
        return cast(asyncio.WriteTransport, self.transport).get_write_buffer_size()
