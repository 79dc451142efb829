"""Whether one model predicts a text better than another: a paired block bootstrap over the losses of its characters.

Both models are evaluated on the same characters, and the difference of their losses is resampled. Blocks of consecutive
characters are resampled, not single ones, because the losses of neighbouring characters are correlated (the block
bootstrap: Künsch 1989, The Jackknife and the Bootstrap for General Stationary Observations, Ann. Statist. 17(3)).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.data.pieces import Pieces
from charrnn.data.positions import Positions
from charrnn.data.splits import Splits
from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Ids, Vocabulary, code_points
from charrnn.data.windows import Windows
from charrnn.evaluation.losses import window_predictions
from charrnn.model.char_rnn import CharRNN

BLOCK_CHARACTERS = 500
RESAMPLES = 5000
STREAMS, DOCUMENTS, SEQ_LENGTH = 32, 64, 128

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


def text_losses(model: CharRNN, vocabulary: Vocabulary, text: str) -> Losses:
    """Return the loss of every character of `text` but the first, and but the few that fill no stream.

    Which characters these are depends on `text` alone, so that the losses of any two models can be paired. A character
    that is not in the vocabulary has the loss of a uniform guess over it.

    Args:
        model: on any device.
        vocabulary: the model's.
        text: at least two characters, in the form that the model was trained on.

    Returns:
        Losses in nats, (characters,) float64, in the order of the text.

    Raises:
        CorpusError: the text has fewer than two characters.
    """
    ids = known_ids(vocabulary, text)
    return _losses(model, vocabulary, ids, Streams(ids, STREAMS, SEQ_LENGTH, model.decoder.weight.device))


def document_losses(model: CharRNN, vocabulary: Vocabulary, documents: Sequence[str]) -> Losses:
    """Return the losses of every character of `documents`, each from the zero state, and of the stop symbol after each.

    A character that is not in the vocabulary has the loss of a uniform guess over it.

    Args:
        model: of documents, on any device.
        vocabulary: the model's.
        documents: at least one, in the form that the model was trained on.

    Returns:
        Losses in nats, (characters and stop symbols,) float64, in the order of the documents.
    """
    stop = np.array([vocabulary.stop_id], dtype=vocabulary.dtype)
    parts = [part for document in documents for part in (known_ids(vocabulary, document), stop)]
    ids = np.concatenate([stop, *parts])
    ends = 1 + np.cumsum([len(document) + 1 for document in documents])
    starts = np.concatenate([[0], ends[:-1] - 1])
    known = np.ones(len(ids), dtype=bool)
    known[ends - 1] = False
    pieces = Pieces(ids, starts, ends, DOCUMENTS, SEQ_LENGTH, model.decoder.weight.device)
    return _losses(model, vocabulary, ids, pieces, characters=known)


def span_losses(model: CharRNN, known: Vocabulary, splits: Splits, vocabulary: Vocabulary, spans: Positions) -> Losses:
    """Return the losses of a model on spans of a text, as `text_losses` or `document_losses`.

    Args:
        model: on any device.
        known: its vocabulary.
        splits: of the text.
        vocabulary: of its ids.
        spans: (spans, 2) first id, and past the last, of each; a document and its stop symbol, or a part of a stream.
    """
    texts = [vocabulary.decode(splits.text[start:end]) for start, end in spans.tolist()]
    if splits.documents is None:
        return text_losses(model, known, "".join(texts))
    return document_losses(model, known, texts)


def known_ids(vocabulary: Vocabulary, text: str) -> Ids:
    """Return the ids of `text`, (len(text),), with that of the stop symbol for characters without one."""
    ids = vocabulary.table[code_points(text)]
    return np.minimum(ids, vocabulary.stop_id).astype(vocabulary.dtype)


def _losses(
    model: CharRNN,
    vocabulary: Vocabulary,
    ids: Ids,
    windows: Windows,
    characters: npt.NDArray[np.bool_] | None = None,
) -> Losses:
    """Return the losses of the ids that `windows` predict, in their order, those of unknown characters a guess's.

    Args:
        model: on any device.
        vocabulary: the model's.
        ids: (length,) with the stop symbol's id for unknown characters.
        windows: of `ids`.
        characters: (length,) which ids are characters; None for all.
    """
    unknown = ids == vocabulary.stop_id
    if characters is not None:
        unknown &= characters
    losses = np.full(len(ids), np.nan)
    for window in window_predictions(model, windows):
        losses[window.places] = window.losses.double().cpu().numpy()
    predicted = ~np.isnan(losses)
    losses[unknown] = math.log(vocabulary.size)
    found: Losses = losses[predicted]
    return found


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
