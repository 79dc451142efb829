"""What the model reads before it writes: the ids of a prime, and reading them in pieces from the zero state on."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.data.vocabulary import Vocabulary
from charrnn.model.char_rnn import CharRNN, evaluating


def begun(vocabulary: Vocabulary, prime: str, generator: np.random.Generator, *, documents: bool) -> str:
    """Return the characters that are read before a text is written: the prime; of a stream, at least one.

    Args:
        vocabulary: the model's.
        prime: text to continue.
        generator: draws the first character of a stream without a prime, where the vocabulary has no line feed.
        documents: whether the model has learnt documents, which the stop symbol begins.
    """
    if prime or documents:
        return prime
    if "\n" in vocabulary.characters:
        return "\n"
    return vocabulary.characters[int(generator.integers(len(vocabulary.characters)))]


def prime_ids(vocabulary: Vocabulary, characters: str, *, documents: bool) -> npt.NDArray[np.int64]:
    """Return the ids of what `begun` has returned, (ids,), at least one: those of documents begin with the stop symbol.

    Raises:
        VocabularyError: it has characters the vocabulary lacks.
    """
    ids = vocabulary.encode(characters).astype(np.int64)
    return np.concatenate(([vocabulary.stop_id], ids)) if documents else ids


class Reading:
    """A prime that is read in pieces, of any size, so that something else can be done between two of them.

    Attributes:
        ids: that are read, (ids,).
        state: the hidden state after what was read, of one text.
    """

    def __init__(self, model: CharRNN, ids: npt.NDArray[np.int64]) -> None:
        """Read nothing yet; `ids` are at least one."""
        self.ids = ids
        self._model = model
        self._inputs = torch.from_numpy(ids).to(model.decoder.weight.device)[:, None]
        self._read = 0
        self.state = model.initial_state(1)

    @property
    def left(self) -> int:
        """Ids that are still to be read (count)."""
        return len(self.ids) - self._read

    @torch.inference_mode()
    def read(self, most: int) -> Tensor:
        """Read at most so many ids on; return the logits after each, (read, vocabulary_size)."""
        piece = self._inputs[self._read : self._read + most]
        with evaluating(self._model):
            logits, self.state = self._model(piece, self.state)
        self._read += len(piece)
        after: Tensor = logits[:, 0]
        return after
