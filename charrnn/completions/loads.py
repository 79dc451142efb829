"""Loads: models that are asked for and not loaded yet. One is loaded at a time, and who asks for the same shares it."""

import asyncio
import logging

from charrnn.completions.engine import QueueFullError, StoppedError
from charrnn.completions.faults import in_one_line
from charrnn.completions.pool import Pool
from charrnn.completions.shelf import NoModelError, Served, Shelf, UnknownModelError

logger = logging.getLogger("charrnn")

WAITING = 32
"""Requests that wait for models at most."""


class NotLoadedError(Exception):
    """A model cannot be loaded now."""


class Loads:
    """Loads models of a shelf. Its methods are called in the event loop."""

    def __init__(self, shelf: Shelf, pool: Pool) -> None:
        """Load models of `shelf` in `pool`, which has one thread."""
        self._shelf, self._pool = shelf, pool
        self._loads: dict[str | None, asyncio.Task[Served]] = {}
        self._waiting = 0

    async def fetch(self, name: str | None) -> Served:
        """Return what `Shelf.fetch` returns.

        Raises:
            NoModelError, UnknownModelError: as there.
            NotLoadedError: it cannot be loaded; why was logged, once for all who wait for it.
            QueueFullError: too many wait already.
            StoppedError: the server stops.
        """
        listed = self._shelf.listed()
        if not listed:
            raise NoModelError
        if name is not None and name not in {one.name for one in listed}:
            raise UnknownModelError
        if self._waiting >= WAITING:
            raise QueueFullError
        load = self._loads.get(name)
        if load is None:
            load = self._loads[name] = asyncio.create_task(self._load(name))
            load.add_done_callback(lambda _: self._loads.pop(name))
        self._waiting += 1
        try:
            # Whose connection ends does not end it for the others.
            return await asyncio.shield(load)
        finally:
            self._waiting -= 1

    async def _load(self, name: str | None) -> Served:
        try:
            return await self._pool.call(lambda: self._shelf.fetch(name))
        except (NoModelError, UnknownModelError, QueueFullError, StoppedError):
            raise
        except Exception as error:
            logger.warning("warning   cannot load %s: %s", name, in_one_line(error))
            raise NotLoadedError from None
