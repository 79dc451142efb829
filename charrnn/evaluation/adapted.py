"""The losses of models that learn from a split as they read it, within a limit of time."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from charrnn.data.documents import Mask
from charrnn.data.splits import SplitIds
from charrnn.data.vocabulary import Ids
from charrnn.data.windows import Windows
from charrnn.evaluation.dynamic import dynamic_predictions
from charrnn.evaluation.mixture import adapted_losses
from charrnn.model.char_rnn import CharRNN

TRIAL_SHARE = 0.05
"""Share of the text after which the time that all of it takes is estimated."""
GLANCE_SHARE = 0.02
"""Share of the text that the model reads alone, before anything else, to show how fast it is."""
FASTEST = 50_000
"""Characters per second that no processor reaches: a text that would need more is not begun."""
MOST_CHARACTERS = 2_000_000
"""Longest text that is read: the n-gram model takes about 340 bytes for each of its characters."""


@dataclass(frozen=True)
class Adapted:
    """Mean losses of a text from which the models learn as they read it (nats per character).

    Attributes:
        dynamic_loss: of the model by itself (dynamic evaluation).
        adaptive_loss: of its mixture with an n-gram model.
    """

    dynamic_loss: float
    adaptive_loss: float

    @property
    def metrics(self) -> dict[str, float]:
        """The losses by the names under which a run logs them, after the split."""
        return {"dynamic_loss": self.dynamic_loss, "adaptive_loss": self.adaptive_loss}


def evaluate_adapted(
    model: CharRNN,
    train_ids: Ids | SplitIds,
    streams: Windows,
    in_word: Mask,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Adapted | None:
    """Return the mean of `adapted_losses`; None where that takes longer than `seconds`, or would, judging by a part.

    Args:
        model: as for `adapted_losses`.
        train_ids: as for `adapted_losses`.
        streams: as for `adapted_losses`; of more than MOST_CHARACTERS nothing is read.
        in_word: as for `adapted_losses`.
        seconds: how long it may take (s).
        clock: the time (s).

    Raises:
        DivergedError: a loss of the model is NaN or infinite.
    """
    if streams.characters > min(seconds * FASTEST, MOST_CHARACTERS):
        return None
    began = clock()
    # The model alone shows soon whether it is too slow; the n-gram model first has to count the training text.
    pace = _Pace(streams.characters, GLANCE_SHARE, began)
    for predictions in dynamic_predictions(model, streams):
        pace.read(len(predictions.targets), clock())
        if pace.expected >= seconds:
            return None
        if pace.tells:
            break
    own_sum = mixed_sum = 0.0
    pace = _Pace(streams.characters, TRIAL_SHARE, began)
    for own, mixed in adapted_losses(model, train_ids, streams, in_word):
        own_sum, mixed_sum = own_sum + own.sum(), mixed_sum + mixed.sum()
        pace.read(len(own), clock())
        if pace.expected >= seconds:
            return None
    return Adapted(float(own_sum / pace.done), float(mixed_sum / pace.done))


class _Pace:
    """How long the reading of a text takes, as its first parts show.

    Attributes:
        done: characters read so far (count).
    """

    def __init__(self, characters: int, share: float, began: float) -> None:
        """Of a text of so many `characters`, of which `share` (0 to 1) tells; the time counts from `began` (s)."""
        self.done = 0
        self._characters, self._enough, self._began = characters, share * characters, began
        self._first, self._first_at, self._now = 0, began, began

    def read(self, characters: int, now: float) -> None:
        """Take note that `characters` more have been read by `now` (s)."""
        self.done, self._now = self.done + characters, now
        if not self._first:
            # What comes before it is done once.
            self._first, self._first_at = self.done, now

    @property
    def tells(self) -> bool:
        """Whether enough has been read, and more than the first part."""
        return self.done >= self._enough and self.done > self._first

    @property
    def expected(self) -> float:
        """How long all of it takes (s); until enough has been read to tell, how long it has taken."""
        if not self.tells:
            return self._now - self._began
        pace = (self._now - self._first_at) / (self.done - self._first)
        return self._first_at - self._began + pace * (self._characters - self._first)
