"""Whether one model predicts a text better than another: a paired block bootstrap over the losses of its characters.

Both models are evaluated on the same characters, and the difference of their losses is resampled. Blocks of consecutive
characters are resampled, not single ones, because the losses of neighbouring characters are correlated (the block
bootstrap: Künsch 1989, The Jackknife and the Bootstrap for General Stationary Observations, Ann. Statist. 17(3)).
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
RESAMPLES = 5000
STREAMS, SEQ_LENGTH = 32, 128

Losses = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """How a challenger compares with a champion on one text.

    Attributes:
        challenger: the challenger's mean loss (nats per character).
        champion: the champion's mean loss (nats per character).
        confidence: share of the bootstrap resamples in which the challenger has the lower mean loss (0 to 1).
    """

    challenger: float
    champion: float
    confidence: float


def text_losses(model: CharRNN, vocabulary: Vocabulary, text: str, streams: int = STREAMS) -> Losses:
    """Return the loss of every character of `text` but the first, and but the few that fill no stream.

    Which characters these are, and in which order they come, depends on `text` alone, so that the losses of any two
    models can be paired. A character that is not in the vocabulary has the loss of a uniform guess over it.

    Args:
        model: on any device.
        vocabulary: the model's.
        text: at least two characters.
        streams: parallel streams that the text is cut into (count), each without context at its start; 1 reads the text
            as one.

    Returns:
        Losses in nats, (characters,) float64.

    Raises:
        CorpusError: the text has fewer than two characters.
    """
    known = vocabulary.table[code_points(text)].astype(np.int64)
    ids = np.where(known > vocabulary.padding_id, vocabulary.padding_id, known).astype(vocabulary.dtype)
    cut = Streams(ids, streams, SEQ_LENGTH, model.decoder.weight.device)
    guess = math.log(vocabulary.size)
    found = []
    for window in window_predictions(model, cut):
        unknown = window.targets == vocabulary.padding_id
        found.append(torch.where(unknown, guess, window.losses.double()).t().cpu())
    return torch.cat(found, dim=1).flatten().numpy()


def compare(challenger: Losses, champion: Losses, seed: int = 1) -> Verdict:
    """Return how two models compare on a text.

    Args:
        challenger: what `text_losses` gave for it, (characters,).
        champion: what `text_losses` gave for it on the same text, (characters,).
        seed: random seed of the resampling.
    """
    difference = challenger - champion
    blocks = [block.mean() for block in np.array_split(difference, max(1, len(difference) // BLOCK_CHARACTERS))]
    resamples = np.random.default_rng(seed).choice(np.array(blocks), (RESAMPLES, len(blocks))).mean(axis=1)
    return Verdict(float(challenger.mean()), float(champion.mean()), float((resamples < 0).mean()))
