"""A mixture of the model with an n-gram model, both of which learn from the text as it is read.

Log-linear: the logits of the mixture are a weighted sum of the log-probabilities of its parts, and the weights learn by
gradient descent on the loss of each character after it was predicted, as in PAQ's logistic mixing (Mahoney 2005,
Adaptive Weighing of Context Models for Lossless Data Compression), for all characters at once instead of bit by bit.
The weights are the sum of two sets: one for how long a context the n-gram model has seen before, one for the character
before. The settings were chosen on the last tenth of tinyshakespeare's training part, with models trained on the rest.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charrnn.data.vocabulary import Ids
from charrnn.data.windows import Windows
from charrnn.evaluation.adaptive_ngram import LONG_ORDER, LONG_USED, RECENT_USED, Block, blocks
from charrnn.evaluation.dynamic import dynamic_predictions
from charrnn.model.char_rnn import CharRNN

MODEL_WEIGHT = 0.6
LONG_WEIGHT = 0.4 / len(LONG_USED)
RECENT_WEIGHT = 0.02
"""Weights before anything is read."""
RATE = 0.001

TRIAL_SHARE = 0.05
"""Share of the text after which the time that all of it takes is estimated."""

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


def mixture_losses(model_logs: Floats, read: Iterable[Block], ids: Ids, vocabulary_size: int) -> Losses:
    """Return the loss of each character of `ids` in the mixture, each predicted before it is learnt (nats).

    Args:
        model_logs: (characters, vocabulary_size) log-probabilities of the model.
        read: the n-gram model's predictions of `ids`.
        ids: (characters,).
        vocabulary_size: number of ids.
    """
    mixer = Mixer(vocabulary_size)
    losses = np.empty(len(ids))
    previous = 0
    for block in read:
        places = slice(block.start, block.start + len(block.logs))
        parts = np.concatenate([model_logs[places, None], block.logs], axis=1)
        steps = zip(parts, block.longest.tolist(), ids[places].tolist(), strict=True)
        for place, (logs, longest, character) in enumerate(steps, block.start):
            predicted = mixer.predict(logs, longest, previous)
            losses[place] = -predicted[character]
            mixer.learn(logs, longest, previous, predicted, character)
            previous = character
    return losses


def adapted_losses(
    model: CharRNN, train_ids: Ids, streams: Windows, vocabulary_size: int, seconds: float
) -> Adapted | None:
    """Return the losses of `model` and of the mixture on a text that they learn from, None where that takes too long.

    Args:
        model: on the CPU; not changed.
        train_ids: (characters,) what the n-gram model learns beforehand.
        streams: of the text, one stream, whose windows are segments (see `dynamic_predictions`).
        vocabulary_size: number of ids.
        seconds: most time that it may take (s), as estimated from the first windows.

    Raises:
        DivergedError: a loss of the model is NaN or infinite.
    """
    logs = np.empty((streams.characters, vocabulary_size), dtype=np.float32)
    ids = np.empty(streams.characters, dtype=np.int64)
    done, begun = 0, time.monotonic()
    for predictions in dynamic_predictions(model, streams):
        places = slice(done, done + len(predictions.targets))
        logs[places] = predictions.logits.log_softmax(-1).numpy()
        ids[places] = predictions.targets.numpy()
        done = places.stop
        if done < TRIAL_SHARE * streams.characters:
            continue
        if (time.monotonic() - begun) / done * streams.characters > seconds:
            return None
    own = -logs[np.arange(done), ids].mean(dtype=np.float64)
    mixed = mixture_losses(logs, blocks(train_ids, ids.astype(np.uint32), vocabulary_size), ids, vocabulary_size)
    return Adapted(float(own), float(mixed.mean()))
