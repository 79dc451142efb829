"""The surprisal of each character of a text that a person gives: how unexpected the model finds it.

Knows neither the command line nor how results are shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from charrnn.config.schema import DataParams
from charrnn.data.normalisation import normalise
from charrnn.data.pieces import Pieces
from charrnn.data.positions import Positions
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from charrnn.evaluation.bootstrap import known_ids
from charrnn.evaluation.dynamic import SEGMENT, dynamic_predictions
from charrnn.evaluation.losses import window_predictions
from charrnn.model.char_rnn import CharRNN

SEQ_LENGTH = 128
CONTEXT = 1000
"""Characters that each piece but the first reads before its own, where a text is scored in pieces."""
PIECES = 64
"""Pieces, or documents, side by side at most."""
SMALLEST_PIECE = 4 * CONTEXT
"""So that the contexts are at most a quarter of what is read in addition."""
CPU = torch.device("cpu")

Bits = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A line of a scored text.

    Attributes:
        number: its place in the text, from 1.
        text: without its line end.
        bits: (characters,) of what was predicted of it, its line end included.
        unknown: characters that the model has never seen (count); they have no surprisal.
    """

    number: int
    text: str
    bits: Bits
    unknown: int

    @property
    def bits_per_char(self) -> float:
        """The mean; NaN where nothing was predicted."""
        return float(self.bits.mean()) if len(self.bits) else np.nan

    def unusual(self, expected: float) -> float:
        """Return how far the mean is from `expected` (bits per character), times the root of the number of characters.

        The mean of a short line varies more: one rare character does not make an empty line the oddest of a text.
        """
        return float((self.bits - expected).sum() / np.sqrt(max(1, len(self.bits))))


@dataclass(frozen=True, eq=False)
class Surprisal:
    """A text and how unexpected each of its characters is.

    Attributes:
        text: as the training text was read; for a model of documents, each with a line end after it, whose surprisal is
            that of the stop symbol.
        bits: (len(text),) float64, NaN where nothing was predicted: the first character of a stream, and characters
            that the model has never seen.
        unknown: (len(text),) which those are.
    """

    text: str
    bits: Bits
    unknown: npt.NDArray[np.bool_]

    @property
    def characters(self) -> int:
        """Characters that have a surprisal (count)."""
        return int(np.isfinite(self.bits).sum())

    @property
    def bits_per_char(self) -> float:
        """The mean surprisal (bits per character)."""
        return float(np.nanmean(self.bits))

    def lines(self) -> Iterator[Line]:
        """Yield the lines, in the order of the text."""
        start = 0
        lines = self.text.removesuffix("\n").split("\n")
        for number, line in enumerate(lines, 1):
            part = slice(start, start + len(line) + 1)
            bits = self.bits[part]
            yield Line(number, line, bits[np.isfinite(bits)], int(self.unknown[part].sum()))
            start = part.stop


def score_text(
    model: CharRNN,
    vocabulary: Vocabulary,
    data: DataParams,
    text: str,
    *,
    of_lines: bool = False,
    adapt: bool = False,
    pieces: bool = False,
) -> Surprisal:
    """Return the surprisal of each character of `text`.

    Args:
        model: on the CPU; not changed.
        vocabulary: the model's.
        data: how the model's text was read, as `text` is read, too.
        text: one stream, or for a model of documents, one document.
        of_lines: for a model of documents that are lines: each line of the text is a document.
        adapt: a copy of the model learns from each segment after it was scored (dynamic evaluation); documents are then
            read in a random order.
        pieces: read a long stream in pieces side by side, each after `CONTEXT` characters of context: several times as
            fast, and not quite the same. Not with `adapt`.

    Raises:
        CorpusError: there is nothing to predict: the text is empty, or one character of a stream, or has no character
            that the model knows.
        DivergedError: `adapt`, and the loss is not finite.
    """
    text = normalise(text, data)
    if not text:
        raise CorpusError("text: is empty; there is nothing to score")
    stop = np.array([vocabulary.stop_id], dtype=vocabulary.dtype)
    context = 0
    if data.has_documents:
        documents = text.removesuffix("\n").split("\n") if of_lines else [text]
        text = "".join(f"{document}\n" for document in documents)
        # Places in the ids, which begin with a stop symbol.
        stops = np.cumsum([len(document) + 1 for document in documents])
        ids = np.concatenate([stop, known_ids(vocabulary, text)])
        ids[stops] = vocabulary.stop_id
        starts, ends = np.concatenate([[0], stops[:-1]]), stops + 1
        is_stop = np.isin(np.arange(len(ids)), stops)
    else:
        if len(text) == 1:
            raise CorpusError("text: has 1 character, must have at least 2: the first of a stream is not predicted")
        ids = known_ids(vocabulary, text)
        starts, ends = np.array([0]), np.array([len(ids)])
        is_stop = np.zeros(len(ids), dtype=bool)
        if pieces:
            starts, ends = _cut(len(ids))
            context = CONTEXT
    windows = Pieces(ids, starts, ends, 1 if adapt else PIECES, SEGMENT if adapt else SEQ_LENGTH, CPU)
    losses = np.full(len(ids), np.nan)
    for predictions in dynamic_predictions(model, windows) if adapt else window_predictions(model, windows):
        own = (predictions.contexts >= context) | (predictions.places < ends[0])
        losses[predictions.places[own]] = predictions.losses.numpy()[own]
    unknown = (ids == vocabulary.stop_id) & ~is_stop
    losses[unknown] = np.nan
    # The stop symbol before the first document is no part of the text.
    places = slice(len(ids) - len(text), None)
    if not np.isfinite(losses[places]).any():
        raise CorpusError("text: the model has never seen any of the characters that it would predict")
    return Surprisal(text, losses[places] / np.log(2), unknown[places])


def _cut(length: int) -> tuple[Positions, Positions]:
    """Return the first id, and past the last, of each piece of a stream of so many ids: (pieces,) each."""
    predictions = length - 1
    count = min(PIECES, max(1, predictions // SMALLEST_PIECE))
    bounds = predictions * np.arange(count + 1) // count
    return np.maximum(bounds[:-1] - CONTEXT, 0), bounds[1:] + 1
