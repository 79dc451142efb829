"""The models that a server has: how they are found, and one that is a file.

A registry whose alias moves is another `Shelf`; this package does not know it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from charrnn.completions.batch import Batch, Prime
from charrnn.completions.text import Text
from charrnn.config.sampling_options import SamplingOptions
from charrnn.export.page import model_page
from charrnn.generation.writer import Writer
from charrnn.training.checkpoint import Checkpoint


@dataclass(frozen=True, eq=False)
class Served:
    """A model that is ready to write.

    Attributes:
        name: what clients call it.
        writer: the model; its network is not trained on.
        batch: the texts that it writes.
    """

    name: str
    writer: Writer
    batch: Batch

    @cached_property
    def page(self) -> str:
        """The page of the model, made when it is first asked for: measuring what int8 costs takes seconds.

        Raises:
            ParamsError: it has none, such as one that would be too large.
        """
        return model_page(self.writer, self.name)

    @classmethod
    def of(cls, checkpoint: Checkpoint, name: str) -> "Served":
        """Prepare the model of a checkpoint, so that its first text does not wait."""
        writer = Writer(checkpoint.model(), checkpoint.vocabulary, checkpoint.params.data)
        warm = Batch(writer)
        prime = Prime(writer, [Text(SamplingOptions(), 2)])
        while prime.left:
            prime.read(prime.left)
        warm.append(prime, prime.texts)
        while warm.texts:
            warm.step()
        return cls(name, writer, warm)


@dataclass(frozen=True)
class Listed:
    """A model that can be asked for.

    Attributes:
        name: what clients call it.
        created: when it was made (Unix time, s).
    """

    name: str
    created: int


class UnknownModelError(Exception):
    """There is no model of this name."""


class NoModelError(Exception):
    """There is no model yet."""


class Shelf(Protocol):
    """The models of a server. Every method may be called from any thread."""

    def listed(self) -> Sequence[Listed]:
        """Return the models that can be asked for, that of requests without a name first; none while there is none.

        Never waits.
        """
        ...

    def at_hand(self, name: str | None) -> Served | None:
        """Return the model of this name, or where none is given, the first, if it is loaded; never waits."""
        ...

    def fetch(self, name: str | None) -> Served:
        """Return the same, loaded if need be, which takes seconds.

        Raises:
            NoModelError: there is no model yet.
            UnknownModelError: there is none of this name.
            CharrnnError: it cannot be loaded.
        """
        ...


class OneModel:
    """A `Shelf` with one model, which never changes."""

    def __init__(self, served: Served) -> None:
        """Have this one."""
        self._served = served
        self._created = int(time.time())

    def listed(self) -> Sequence[Listed]:
        """See `Shelf.listed`."""
        return [Listed(self._served.name, self._created)]

    def at_hand(self, name: str | None) -> Served | None:
        """See `Shelf.at_hand`."""
        return self._served if name in (None, self._served.name) else None

    def fetch(self, name: str | None) -> Served:
        """See `Shelf.fetch`."""
        found = self.at_hand(name)
        if found is None:
            raise UnknownModelError
        return found
