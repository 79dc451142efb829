"""The surprisal of each character of a text that a person gives: how unexpected the model finds it.

Knows neither the command line nor how results are shown.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from charrnn.config.schema import DataParams
from charrnn.data.normalisation import normalise
from charrnn.data.pieces import Pieces
from charrnn.data.positions import Positions
from charrnn.data.vocabulary import Ids, Vocabulary
from charrnn.errors import CorpusError, DivergedError
from charrnn.evaluation.bootstrap import known_ids
from charrnn.evaluation.dynamic import SEGMENT, dynamic_predictions
from charrnn.evaluation.losses import Predictions, window_predictions
from charrnn.evaluation.metrics import perplexity
from charrnn.model.char_rnn import CharRNN
from charrnn.model.processor import multiplies_bfloat16
from charrnn.wording import counted

SEQ_LENGTH = 128
CONTEXT = 1000
"""Characters that each piece but the first reads before its own, where a text is scored in pieces."""
PIECES = 64
"""Pieces, or documents, side by side at most."""
SMALLEST_PIECE = 4 * CONTEXT
"""So that the contexts are at most a quarter of what is read in addition."""
CPU = torch.device("cpu")

Bits = npt.NDArray[np.float64]
How = Literal["exact", "fast", "adapted"]
"""How a text is read: see `score_text`."""


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

    @property
    def total(self) -> float:
        """The sum (bits); NaN where nothing was predicted."""
        return float(self.bits.sum()) if len(self.bits) else np.nan

    def unusual(self, expected: float, guess: float) -> float:
        """Return how far the mean is from `expected`, times the square root of the number of characters.

        The mean of a short line varies more: one rare character does not make an empty line the oddest of a text. Here,
        and only here, characters that the model has never seen count, too: they are what makes some lines unusual.

        Args:
            expected: the text's mean (bits per character).
            guess: what each character that the model has never seen counts as (bits).
        """
        characters = len(self.bits) + self.unknown
        return float((self.bits.sum() + self.unknown * guess - characters * expected) / np.sqrt(max(1, characters)))


@dataclass(frozen=True, eq=False)
class Surprisal:
    """A text and how unexpected each of its characters is.

    Attributes:
        text: as the training text was read, several one after the other; for a model of documents, each with a line
            end after it, whose surprisal is that of the stop symbol.
        bits: (len(text),) float64, NaN where nothing was predicted: the first character of a stream, and characters
            that the model has never seen.
        unknown: (len(text),) which those are.
        guess: the surprisal of a uniform guess over the vocabulary (bits).
    """

    text: str
    bits: Bits
    unknown: npt.NDArray[np.bool_]
    guess: float

    @property
    def characters(self) -> int:
        """Characters that have a surprisal (count)."""
        return int(np.isfinite(self.bits).sum())

    @property
    def unseen(self) -> str:
        """The distinct characters that the model has never seen, in order of appearance."""
        return "".join(dict.fromkeys(compress(self.text, self.unknown)))

    @property
    def bits_per_char(self) -> float:
        """The mean surprisal (bits per character)."""
        return float(np.nanmean(self.bits))

    @property
    def perplexity(self) -> float:
        """See `charrnn.evaluation.metrics.perplexity`; inf beyond floats."""
        return perplexity(self.bits_per_char * math.log(2))

    def lines(self) -> Iterator[Line]:
        """Yield the lines, in the order of the text."""
        start = 0
        lines = self.text.removesuffix("\n").split("\n")
        for number, line in enumerate(lines, 1):
            part = slice(start, start + len(line) + 1)
            bits = self.bits[part]
            yield Line(number, line, bits[np.isfinite(bits)], int(self.unknown[part].sum()))
            start = part.stop


@dataclass(frozen=True, eq=False)
class _Layout:
    """A text as ids, and the pieces that are read of it, each from the zero state.

    Attributes:
        text: (characters,) that of the last so many ids.
        ids: (length,) with the stop symbol's for characters that the model has never seen.
        unknown: (length,) which those are.
        starts: (pieces,) the first id of each, ascending.
        ends: (pieces,) past the last of each.
        contexts: (pieces,) predictions at the start of each that are another piece's (count).
    """

    text: str
    ids: Ids
    unknown: npt.NDArray[np.bool_]
    starts: Positions
    ends: Positions
    contexts: Positions


def score_text(
    model: CharRNN,
    vocabulary: Vocabulary,
    data: DataParams,
    text: str | Sequence[str],
    *,
    of_lines: bool = False,
    how: How = "exact",
) -> Surprisal:
    """Return the surprisal of each character of `text`, or of several that know nothing of each other.

    Args:
        model: on the CPU; not changed.
        vocabulary: the model's.
        data: how the model's text was read, as `text` is read, too.
        text: one stream, or for a model of documents, one document.
        of_lines: for a model of documents that are lines: each line of the text is a document.
        how: "exact" reads a stream as one. "fast" reads a long one in pieces side by side, each after `CONTEXT`
            characters of context, and multiplies in bfloat16 where the processor does: several times as fast, and not
            quite the same. With "adapted", a copy of the model learns from each segment after it was scored (dynamic
            evaluation); documents are then read in a random order.

    Raises:
        CorpusError: there is nothing to predict: all texts are empty, or one is a single character of a stream, or they
            have no character that the model knows. The message does not say which text it is about.
        DivergedError: what the model predicts is not finite; with "adapted", also where only the copy has diverged.
    """
    texts = [normalise(one, data) for one in ([text] if isinstance(text, str) else text)]
    if not any(texts):
        raise CorpusError("is empty; there is nothing to score")
    if not data.has_documents:
        layout = _streams(vocabulary, texts, how)
    elif data.documents == "records" and not of_lines:
        layout = _documents(vocabulary, texts)
    else:
        # One line end at the end is that of the last line, as where files are documents: the stop symbol is there.
        whole = [one.removesuffix("\n") for one in texts]
        layout = _documents(vocabulary, [line for one in whole for line in one.split("\n")] if of_lines else whole)
    losses = np.full(len(layout.ids), np.nan)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=how == "fast" and multiplies_bfloat16()):
        for predictions in _predictions(model, layout, how):
            if not predictions.losses.isfinite().all():
                raise DivergedError("the model's losses are not finite: its training diverged")
            pieces = np.searchsorted(layout.starts, predictions.places - 1 - predictions.contexts)
            own = predictions.contexts >= layout.contexts[pieces]
            losses[predictions.places[own]] = predictions.losses.numpy()[own]
    losses[layout.unknown] = np.nan
    # The stop symbol before the first document is no part of the text.
    places = slice(len(losses) - len(layout.text), None)
    if not np.isfinite(losses[places]).any():
        raise CorpusError("has none of the characters that the model has seen and would predict")
    return Surprisal(layout.text, losses[places] / np.log(2), layout.unknown[places], math.log2(vocabulary.size))


def _predictions(model: CharRNN, layout: _Layout, how: How) -> Iterator[Predictions]:
    def windows(batch_size: int, seq_length: int) -> Pieces:
        return Pieces(layout.ids, layout.starts, layout.ends, batch_size, seq_length, CPU)

    if how == "adapted":
        return dynamic_predictions(model, windows(1, SEGMENT), ~layout.unknown)
    return window_predictions(model, windows(PIECES, SEQ_LENGTH))


def _documents(vocabulary: Vocabulary, documents: Sequence[str]) -> _Layout:
    """Return documents, each after a stop symbol and with one at its end."""
    text = "".join(f"{document}\n" for document in documents)
    stop = np.array([vocabulary.stop_id], dtype=vocabulary.dtype)
    # Places in the ids, which begin with a stop symbol.
    stops = np.cumsum([0, *(len(document) + 1 for document in documents)])
    ids = np.concatenate([stop, known_ids(vocabulary, text)])
    ids[stops] = vocabulary.stop_id
    unknown = ids == vocabulary.stop_id
    unknown[stops] = False
    return _Layout(text, ids, unknown, stops[:-1], stops[1:] + 1, np.zeros(len(documents), dtype=np.int64))


def _streams(vocabulary: Vocabulary, texts: Sequence[str], how: How) -> _Layout:
    """Return streams, each one piece, or where that is "fast" and the stream long, in several."""
    starts, ends, contexts, first = [], [], [], 0
    for text in texts:
        if len(text) < 2:
            have = f"has {counted(len(text), 'character')}, must have at least 2"
            raise CorpusError(f"{have}: the first of a stream is not predicted")
        predictions = len(text) - 1
        count = min(PIECES, max(1, predictions // SMALLEST_PIECE)) if how == "fast" else 1
        bounds = first + predictions * np.arange(count + 1) // count
        starts.append(np.maximum(bounds[:-1] - CONTEXT, first))
        ends.append(bounds[1:] + 1)
        contexts.append(bounds[:-1] - starts[-1])
        first += len(text)
    text = "".join(texts)
    ids = known_ids(vocabulary, text)
    pieces = (np.concatenate(parts) for parts in (starts, ends, contexts))
    return _Layout(text, ids, ids == vocabulary.stop_id, *pieces)
