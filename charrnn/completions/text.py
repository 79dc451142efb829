"""A text that is being written for a client: what was asked for, what is there already, why it has ended.

Knows neither the network nor how a piece reaches the client.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from charrnn.config.sampling_options import SamplingOptions

Reason = Literal["stop", "length"]
"""Why a text has ended: by a stop text or the stop symbol, or by its length."""


@dataclass(frozen=True)
class Rated:
    """A character and how probable the model found it: at temperature 1, without filters and biases.

    Attributes:
        character: that was read or written.
        logprob: its log-probability (nats); None for the first character of a stream, which is not predicted.
        top: the likeliest characters there, and their log-probabilities; '' is the stop symbol. None where logprob is.
    """

    character: str
    logprob: float | None
    top: Mapping[str, float] | None

    def with_top(self, likeliest: int) -> "Rated":
        """Return the same with so many of the likeliest characters at most."""
        if self.top is None or len(self.top) <= likeliest:
            return self
        return Rated(self.character, self.logprob, dict(islice(self.top.items(), likeliest)))


@dataclass(frozen=True)
class Piece:
    """Some characters of a text, in the order in which they were written.

    Attributes:
        text: the characters; '' where only the end is told.
        rated: the same characters where the client asked for log-probabilities, else empty.
        reason: why the text ends here; None where it goes on.
    """

    text: str
    rated: tuple[Rated, ...]
    reason: Reason | None


class Text:
    """A text that is written, character by character, until its length, its stop or a stop symbol.

    Characters that may be the beginning of a stop are held back, since a stop is no part of the text.

    Attributes:
        options: how it is drawn; its `length` and `stop` are not used.
        bias: id -> what is added to its logit.
        likeliest: how many of the likeliest characters are told at each place; None where no log-probabilities are.
        left: characters that may still be written (count).
        reason: why it has ended; None while it goes on.
        failure: why it cannot be ended, in words; None where nothing is wrong.
        pieces: those that the client's side has not taken yet, the oldest first. The side that writes appends, the
            other takes; each end of a deque is safe for one thread.
    """

    def __init__(
        self,
        options: SamplingOptions,
        length: int,
        stops: Sequence[str] = (),
        *,
        bias: Mapping[int, float] | None = None,
        likeliest: int | None = None,
    ) -> None:
        """Begin with nothing written.

        Args:
            options: how it is drawn.
            length: characters to write at most (count); may be 0.
            stops: texts, none empty, the first of which to appear ends it.
            bias: id -> what is added to its logit.
            likeliest: see the class.
        """
        self.options = options
        self.bias = dict(bias or {})
        self.likeliest = likeliest
        self.left = length
        self.reason: Reason | None = None
        self.failure: str | None = None
        self.pieces: deque[Piece] = deque()
        self._stops = tuple(stops)
        self._held = ""
        self._held_rated: list[Rated] = []

    @property
    def ended(self) -> bool:
        """Whether nothing more is written."""
        return self.reason is not None or self.failure is not None

    @property
    def last_characters(self) -> str:
        """The characters one of which has to be written for a stop to be complete."""
        return "".join({stop[-1] for stop in self._stops})

    def read(self, rated: Sequence[Rated]) -> None:
        """Repeat characters of the prime, which do not count as written."""
        self.pieces.append(Piece("".join(one.character for one in rated), tuple(rated), None))

    def write(self, characters: str, rated: Sequence[Rated] = (), *, stopped: bool = False) -> None:
        """Write characters; `stopped` says that a stop symbol follows them."""
        self.left -= len(characters)
        self._held += characters
        self._held_rated += rated
        found = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        keep = min(found) if found else len(self._held)
        if found or stopped:
            self.reason = "stop"
        elif self.left <= 0:
            self.reason = "length"
        else:
            keep -= self._beginning_of_stop()
        if keep or self.reason:
            self.pieces.append(Piece(self._held[:keep], tuple(self._held_rated[:keep]), self.reason))
        self._held, self._held_rated = self._held[keep:], self._held_rated[keep:]

    def fail(self, failure: str) -> None:
        """Say that nothing more will be written, and why."""
        self.failure = failure

    def take(self) -> Piece | None:
        """Return what was written since the last time as one piece; None where nothing was."""
        taken = []
        while self.pieces:
            taken.append(self.pieces.popleft())
        if len(taken) <= 1:
            return taken[0] if taken else None
        rated = tuple(one for piece in taken for one in piece.rated)
        return Piece("".join(piece.text for piece in taken), rated, taken[-1].reason)

    def _beginning_of_stop(self) -> int:
        """Return how many of the last characters held may be the beginning of a stop."""
        longest = 0
        for stop in self._stops:
            for length in range(min(len(stop) - 1, len(self._held)), longest, -1):
                if self._held.endswith(stop[:length]):
                    longest = length
                    break
        return longest
