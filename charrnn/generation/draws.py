"""Draws: the next character of texts that are written side by side, each with a random generator of its own.

Texts may join and leave between two draws: what is drawn for a text does not depend on those beside it. Knows neither
the network nor when a text ends. What a character's log-probability is, is said here, too.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from charrnn.config.sampling_options import SamplingOptions
from charrnn.errors import DivergedError
from charrnn.generation.filters import Filters, Floats
from charrnn.model.products import Array

# Random numbers made at once for each text.
AT_ONCE = 256
DIVERGED = "the model's logits are not finite: its training diverged"
# A lower one changes nothing, since no two float32 logits are so close; divided by it, none overflows.
LOWEST_TEMPERATURE = 1e-100


def log_probabilities(logits: Array) -> Floats:
    """Return the log-probabilities (nats) of all characters, (texts, vocabulary_size): at temperature 1, unfiltered.

    Args:
        logits: (texts, vocabulary_size).

    Raises:
        DivergedError: they are not finite.
    """
    shifted = logits.astype(np.float64)
    if not np.isfinite(shifted).all():
        raise DivergedError(DIVERGED)
    shifted -= shifted.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


class Draws:
    """Draws the next character of every text from its logits."""

    def __init__(self, forbidden: int | None) -> None:
        """Begin without a text; `forbidden` is the id that is never drawn, if there is one."""
        self._forbidden = forbidden
        self._generators: list[np.random.Generator] = []
        # A row for each text. All rows are used up at the same place: that of a text that joins is made from there on.
        self._uniforms: npt.NDArray[np.float64] = np.empty((0, AT_ONCE))
        self._used = AT_ONCE
        self._take([])

    def append(self, options: Sequence[SamplingOptions], generators: Sequence[np.random.Generator]) -> None:
        """Let texts join, after those that are there; each one's generator draws for it from now on."""
        added = np.empty((len(options), AT_ONCE))
        for row, generator in zip(added, generators, strict=True):
            row[self._used :] = generator.random(AT_ONCE - self._used)
        self._uniforms = np.concatenate((self._uniforms, added))
        self._generators += generators
        self._take([*self._options, *options])

    def keep(self, rows: npt.NDArray[np.int64]) -> None:
        """Go on with the texts at `rows` alone, (kept,), in this order."""
        self._uniforms = self._uniforms[rows]
        self._generators = [self._generators[row] for row in rows]
        self._take([self._options[row] for row in rows])

    def draw(self, logits: Array) -> npt.NDArray[np.int64]:
        """Return an id for each text, (texts,), from logits (texts, vocabulary_size).

        Raises:
            DivergedError: the logits are not finite.
        """
        scaled = logits.astype(np.float64)
        if self._forbidden is not None:
            scaled[:, self._forbidden] = -math.inf
        highest = scaled.max(axis=1, keepdims=True)
        if not np.isfinite(highest).all():
            raise DivergedError(DIVERGED)
        scaled -= highest
        scaled /= self._temperatures
        relative_probabilities = np.exp(scaled)
        self._filters.apply(scaled, relative_probabilities)
        sums = relative_probabilities.cumsum(axis=1)
        # The first place whose sum is beyond the draw: a character of probability 0 is never it.
        ids: npt.NDArray[np.int64] = (sums <= self._uniform()[:, None] * sums[:, -1:]).sum(axis=1)
        if self._greedy.size:
            ids[self._greedy] = scaled[self._greedy].argmax(axis=1)
        return ids

    def _take(self, options: list[SamplingOptions]) -> None:
        """Draw as `options` say from now on."""
        self._options = options
        # 1 stands for temperature 0, with which the likeliest character replaces what is drawn.
        temperatures = [max(one.temperature, LOWEST_TEMPERATURE) if one.temperature else 1.0 for one in options]
        self._temperatures = np.array(temperatures)[:, None]
        self._greedy = np.flatnonzero([one.temperature == 0 for one in options])
        self._filters = Filters(options)

    def _uniform(self) -> npt.NDArray[np.float64]:
        """Return a number in [0, 1) for each text; they are made many at a time."""
        if self._used == AT_ONCE:
            self._uniforms, self._used = np.stack([one.random(AT_ONCE) for one in self._generators]), 0
        self._used += 1
        return self._uniforms[:, self._used - 1]
