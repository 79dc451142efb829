"""What the model reads before it writes: the ids of a prime, and reading them in pieces from the zero state on."""

import numpy as np
import torch
from torch import Tensor

from charrnn.data.vocabulary import Vocabulary
from charrnn.model.char_rnn import CharRNN, evaluating


def prime_ids(
    vocabulary: Vocabulary, prime: str, generator: np.random.Generator, *, documents: bool
) -> tuple[int, ...]:
    """Return what is read before a text is written; at least one id.

    Args:
        vocabulary: the model's.
        prime: text to continue.
        generator: draws the first character of a stream without a prime, where the vocabulary has no line feed.
        documents: whether the model has learnt documents, which the stop symbol begins.

    Raises:
        VocabularyError: the prime has characters the vocabulary lacks.
    """
    if documents:
        return (vocabulary.stop_id, *vocabulary.encode(prime).tolist())
    return tuple(vocabulary.encode(prime or _first_character(vocabulary, generator)).tolist())


def _first_character(vocabulary: Vocabulary, generator: np.random.Generator) -> str:
    if "\n" in vocabulary.characters:
        return "\n"
    return vocabulary.characters[int(generator.integers(len(vocabulary.characters)))]


class Reading:
    """A prime that is read in pieces, of any size, so that something else can be done between two of them.

    Attributes:
        state: the hidden state after what was read, of one text.
    """

    def __init__(self, model: CharRNN, ids: tuple[int, ...]) -> None:
        """Read nothing yet; `ids` are at least one."""
        self._model = model
        self._ids = torch.tensor(ids, device=model.decoder.weight.device)[:, None]
        self._read = 0
        self.state = model.initial_state(1)

    @property
    def left(self) -> int:
        """Ids that are still to be read (count)."""
        return len(self._ids) - self._read

    @torch.inference_mode()
    def read(self, most: int) -> Tensor:
        """Read at most so many ids on; return the logits after each, (read, vocabulary_size)."""
        piece = self._ids[self._read : self._read + most]
        with evaluating(self._model):
            logits, self.state = self._model(piece, self.state)
        self._read += len(piece)
        after: Tensor = logits[:, 0]
        return after
