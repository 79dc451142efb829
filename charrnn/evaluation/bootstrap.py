"""Whether one model predicts a text better than another: the same characters, scored by both, block by block.

The losses of neighbouring characters hang together, so blocks of the text are drawn anew, not characters (the block
bootstrap: Künsch 1989, The Jackknife and the Bootstrap for General Stationary Observations).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Vocabulary, code_points
from charrnn.evaluation.losses import window_predictions
from charrnn.model.char_rnn import CharRNN

BLOCK_CHARACTERS = 500
DRAWS = 5000
STREAMS, SEQ_LENGTH = 32, 128

Losses = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """How a challenger compares with a champion on one text.

    Attributes:
        challenger: its loss (nats per character).
        champion: that of the other.
        confidence: share of the texts made of blocks drawn anew on which the challenger is better (0 to 1).
    """

    challenger: float
    champion: float
    confidence: float


def text_losses(model: CharRNN, vocabulary: Vocabulary, text: str) -> Losses:
    """Return what each character of `text` but the first costs the model (nats), in an order that `text` alone decides.

    A character that the model has never seen costs as much as a guess among all it knows.

    Raises:
        CorpusError: the text has fewer than two characters.
    """
    known = vocabulary.table[code_points(text)].astype(np.int64)
    ids = np.where(known > vocabulary.padding_id, vocabulary.padding_id, known).astype(vocabulary.dtype)
    streams = Streams(ids, STREAMS, SEQ_LENGTH, model.decoder.weight.device)
    found = []
    for window in window_predictions(model, streams):
        guess = math.log(vocabulary.size)
        found.append(torch.where(window.targets == vocabulary.padding_id, guess, window.losses.double()).t().cpu())
    return torch.cat(found, dim=1).flatten().numpy()


def compare(challenger: Losses, champion: Losses, seed: int = 1) -> Verdict:
    """Return how two models compare that were given the same text, each with what `text_losses` gave."""
    difference = challenger - champion
    blocks = [block.mean() for block in np.array_split(difference, max(1, len(difference) // BLOCK_CHARACTERS))]
    draws = np.random.default_rng(seed).choice(np.array(blocks), (DRAWS, len(blocks))).mean(axis=1)
    return Verdict(float(challenger.mean()), float(champion.mean()), float((draws < 0).mean()))
