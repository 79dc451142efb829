"""A mixture of the model with an n-gram model, both of which learn from the text as it is read.

Log-linear: the logits of the mixture are a weighted sum of the log-probabilities of its parts, and the weights learn by
gradient descent on the loss of each character after it was predicted, as in PAQ's logistic mixing (Mahoney 2005,
Adaptive Weighing of Context Models for Lossless Data Compression), for all characters at once instead of bit by bit.
The weights are the sum of three sets: one for how long a context the n-gram model has seen before, one for the
character before, one for how much of a word is before. The settings were chosen on the last tenth of tinyshakespeare's
training part, with models trained on the rest.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from charrnn.data.documents import Mask
from charrnn.data.splits import SplitIds
from charrnn.data.vocabulary import Ids
from charrnn.data.windows import IGNORED, Windows
from charrnn.evaluation.adaptive_ngram import LONG_ORDER, LONG_USED, RECENT_USED, blocks
from charrnn.evaluation.dynamic import dynamic_predictions
from charrnn.evaluation.word_contexts import MOST_LETTERS, WHOLE_WORDS
from charrnn.model.char_rnn import CharRNN

MODEL_WEIGHT = 0.6
LONG_WEIGHT = 0.05
RECENT_WEIGHT = 0.02
WORDS_WEIGHT = 0.08
"""Weights before anything is read."""
RATE = 0.0007

Floats = NDArray[np.float32]
Losses = NDArray[np.float64]


class Mixer:
    """The weights, and what they learn."""

    def __init__(self, vocabulary_size: int) -> None:
        weights = np.array(
            [
                MODEL_WEIGHT,
                *[LONG_WEIGHT] * len(LONG_USED),
                *[RECENT_WEIGHT] * len(RECENT_USED),
                *[WORDS_WEIGHT] * len(WHOLE_WORDS),
            ],
            dtype=np.float32,
        )
        sizes = (LONG_ORDER + 1, vocabulary_size, MOST_LETTERS + 1)
        self._sets = [np.tile(weights / len(sizes), (size, 1)) for size in sizes]

    def predict(self, logs: Floats, context: Sequence[int]) -> Floats:
        """Return the log-probabilities of the mixture, (vocabulary_size,).

        Args:
            logs: (parts, vocabulary_size) log-probabilities of the model, then of the distributions of a `Block`.
            context: which weights are taken of each set: `longest` of the `Block`, the id of the character before (any
                where there is none), and `letters` of the `Block`.
        """
        logits: Floats = np.dot(sum(weights[of] for weights, of in zip(self._sets, context, strict=True)), logs)
        logits -= logits.max()
        logits -= np.log(np.exp(logits).sum())
        return logits

    def learn(self, logs: Floats, context: Sequence[int], predicted: Floats, character: int) -> None:
        """Learn that `character` came, where `predict` gave `predicted` for the other arguments."""
        step = RATE * (logs[:, character] - np.dot(logs, np.exp(predicted)))
        for weights, of in zip(self._sets, context, strict=True):
            weights[of] += step


class Mixture:
    """The model with an n-gram model beside it, which reads the text with it."""

    def __init__(self, train_ids: Ids | SplitIds, ids: Ids, in_word: Mask) -> None:
        """Count `train_ids`, and get ready for `ids`, the text that is going to be read; see `blocks`."""
        self._mixer = Mixer(len(in_word))
        self._read = (
            step
            for block in blocks(train_ids, ids, in_word)
            for step in zip(block.logs, block.longest.tolist(), block.letters.tolist(), strict=True)
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
            of_ngrams, longest, letters = next(self._read)
            logs, context = np.concatenate([own[None], of_ngrams]), (longest, self._previous, letters)
            predicted = self._mixer.predict(logs, context)
            losses[place] = -predicted[character]
            self._mixer.learn(logs, context, predicted, character)
            self._previous = character
        return losses


def adapted_losses(
    model: CharRNN, train_ids: Ids | SplitIds, streams: Windows, in_word: Mask
) -> Iterator[tuple[Losses, Losses]]:
    """Yield, segment by segment, the losses of the model that learns as it reads, and those of the mixture (nats).

    Args:
        model: on the CPU; not changed.
        train_ids: (any,) what the n-gram model learns beforehand.
        streams: of the text, one stream, whose windows are the segments (see `dynamic_predictions`).
        in_word: (vocabulary_size,) which ids are part of a word (see `in_words`).

    Raises:
        DivergedError: a loss of the model is NaN or infinite.
    """
    windows = (streams.window(index).targets.flatten().numpy() for index in range(streams.num_windows))
    ids = np.concatenate([targets[targets != IGNORED] for targets in windows]).astype(np.uint32)
    mixture, done = Mixture(train_ids, ids, in_word), 0
    for predictions in dynamic_predictions(model, streams):
        segment = ids[done : done + len(predictions.targets)]
        logs = predictions.logits.log_softmax(-1).numpy()
        yield predictions.losses.double().numpy(), mixture.read(logs, segment)
        done += len(segment)
