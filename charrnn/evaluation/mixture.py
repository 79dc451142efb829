"""A mixture of the model with an n-gram model, both of which learn from the text as it is read.

Log-linear: the logits of the mixture are a weighted sum of the log-probabilities of its parts, and the weights learn by
gradient descent on the loss of each character after it was predicted, as in PAQ's logistic mixing (Mahoney 2005,
Adaptive Weighing of Context Models for Lossless Data Compression), for all characters at once instead of bit by bit.
The weights are the sum of two sets: one for how long a context the n-gram model has seen before, one for the character
before. The settings were chosen on the last tenth of tinyshakespeare's training part, with models trained on the rest.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charrnn.data.splits import SplitIds
from charrnn.data.vocabulary import Ids
from charrnn.data.windows import IGNORED, Windows
from charrnn.evaluation.adaptive_ngram import LONG_ORDER, LONG_USED, RECENT_USED, blocks
from charrnn.evaluation.dynamic import dynamic_predictions
from charrnn.model.char_rnn import CharRNN

MODEL_WEIGHT = 0.6
LONG_WEIGHT = 0.4 / len(LONG_USED)
RECENT_WEIGHT = 0.02
"""Weights before anything is read."""
RATE = 0.001

TRIAL_SHARE = 0.05
"""Share of the text after which the time that all of it takes is estimated."""
GLANCE_SHARE = 0.02
"""Share of the text that the model reads alone, before anything else, to show how fast it is."""
FASTEST = 50_000
"""Characters per second that no processor reaches: a text that would need more is not begun."""
MOST_CHARACTERS = 2_000_000
"""Longest text that is read: the n-gram model takes about 340 bytes for each of its characters."""

Floats = NDArray[np.float32]
Losses = NDArray[np.float64]


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


class Mixer:
    """The weights, and what they learn."""

    def __init__(self, vocabulary_size: int) -> None:
        weights = [MODEL_WEIGHT, *[LONG_WEIGHT] * len(LONG_USED), *[RECENT_WEIGHT] * len(RECENT_USED)]
        self._by_longest = np.tile(np.array(weights, dtype=np.float32) / 2, (LONG_ORDER + 1, 1))
        self._by_previous = np.tile(np.array(weights, dtype=np.float32) / 2, (vocabulary_size, 1))

    def predict(self, logs: Floats, longest: int, previous: int) -> Floats:
        """Return the log-probabilities of the mixture, (vocabulary_size,).

        Args:
            logs: (parts, vocabulary_size) log-probabilities of the model, then of the distributions of a `Block`.
            longest: see `Block`.
            previous: id of the character before; any id where there is none.
        """
        logits: Floats = np.dot(self._by_longest[longest] + self._by_previous[previous], logs)
        logits -= logits.max()
        logits -= np.log(np.exp(logits).sum())
        return logits

    def learn(self, logs: Floats, longest: int, previous: int, predicted: Floats, character: int) -> None:
        """Learn that `character` came, where `predict` gave `predicted` for the other arguments."""
        step = RATE * (logs[:, character] - np.dot(logs, np.exp(predicted)))
        self._by_longest[longest] += step
        self._by_previous[previous] += step


class Mixture:
    """The model with an n-gram model beside it, which reads the text with it."""

    def __init__(self, train_ids: Ids | SplitIds, ids: Ids, vocabulary_size: int) -> None:
        """Count `train_ids`, and get ready for `ids`, the text that is going to be read; see `blocks`."""
        self._mixer = Mixer(vocabulary_size)
        self._read = (
            step
            for block in blocks(train_ids, ids, vocabulary_size)
            for step in zip(block.logs, block.longest.tolist(), strict=True)
        )
        self._previous = 0

    def read(self, model_logs: Floats, ids: Ids) -> Losses:
        """Return the losses of the next characters, each predicted before it is learnt from (nats).

        Args:
            model_logs: (characters, vocabulary_size) log-probabilities of the model for them.
            ids: (characters,) which they are.
        """
        losses = np.empty(len(ids))
        for place, (own, character) in enumerate(zip(model_logs, ids.tolist(), strict=True)):
            of_ngrams, longest = next(self._read)
            logs = np.concatenate([own[None], of_ngrams])
            predicted = self._mixer.predict(logs, longest, self._previous)
            losses[place] = -predicted[character]
            self._mixer.learn(logs, longest, self._previous, predicted, character)
            self._previous = character
        return losses


def adapted_losses(
    model: CharRNN, train_ids: Ids | SplitIds, streams: Windows, vocabulary_size: int
) -> Iterator[tuple[Losses, Losses]]:
    """Yield, segment by segment, the losses of the model that learns as it reads, and those of the mixture (nats).

    Args:
        model: on the CPU; not changed.
        train_ids: (any,) what the n-gram model learns beforehand.
        streams: of the text, one stream, whose windows are the segments (see `dynamic_predictions`).
        vocabulary_size: number of ids.

    Raises:
        DivergedError: a loss of the model is NaN or infinite.
    """
    windows = (streams.window(index).targets.flatten().numpy() for index in range(streams.num_windows))
    ids = np.concatenate([targets[targets != IGNORED] for targets in windows]).astype(np.uint32)
    mixture, done = Mixture(train_ids, ids, vocabulary_size), 0
    for predictions in dynamic_predictions(model, streams):
        segment = ids[done : done + len(predictions.targets)]
        logs = predictions.logits.log_softmax(-1).numpy()
        yield predictions.losses.double().numpy(), mixture.read(logs, segment)
        done += len(segment)


def evaluate_adapted(
    model: CharRNN,
    train_ids: Ids | SplitIds,
    streams: Windows,
    vocabulary_size: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Adapted | None:
    """Return the mean of `adapted_losses`; None where that takes longer than `seconds`, or its first part shows it.

    Args:
        model: as for `adapted_losses`.
        train_ids: as for `adapted_losses`.
        streams: as for `adapted_losses`; of more than MOST_CHARACTERS nothing is read.
        vocabulary_size: as for `adapted_losses`.
        seconds: how long it may take (s).
        clock: the time (s).

    Raises:
        DivergedError: a loss of the model is NaN or infinite.
    """
    if streams.characters > min(seconds * FASTEST, MOST_CHARACTERS):
        return None
    began = clock()
    # The model alone shows soon whether it is too slow; the n-gram model first has to count the training text.
    read, taken = 0, 0.0
    for predictions in dynamic_predictions(model, streams):
        read, taken = read + len(predictions.targets), clock() - began
        if taken >= seconds or read >= GLANCE_SHARE * streams.characters:
            break
    if taken / read * streams.characters >= seconds:
        return None
    own_sum = mixed_sum = 0.0
    done, first, begun = 0, 0, 0.0
    for own, mixed in adapted_losses(model, train_ids, streams, vocabulary_size):
        own_sum, mixed_sum, done = own_sum + own.sum(), mixed_sum + mixed.sum(), done + len(own)
        now = clock()
        expected = now - began
        if not first:
            # What comes before it is done once.
            first, begun = done, now
        elif done >= TRIAL_SHARE * streams.characters:
            expected = begun - began + (now - begun) / (done - first) * (streams.characters - first)
        if expected >= seconds:
            return None
    return Adapted(float(own_sum / done), float(mixed_sum / done))
