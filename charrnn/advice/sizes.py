"""How long to train which model on how many characters: modest rules, from what docs/experiments.md found.

What decides is how often the training text is read: the first passes need no help, many passes learn it by heart.
"""

import math
from dataclasses import dataclass

from charrnn.config.overlay import Choice
from charrnn.config.schema import Params
from charrnn.wording import counted

_DEFAULTS = Params()

# What each split needs to be measured well, where it takes no more than LARGEST_SHARE of the text.
SPLIT_CHARACTERS = 50_000
SPLIT_DOCUMENTS = 1000
SMALLEST_SHARE, LARGEST_SHARE = 0.03, 0.1

# Training time by size of the text: below so many characters, so many minutes.
_MINUTES = ((300_000, 1.0), (3_000_000, 2.5), (30_000_000, 5.0))
_MOST_MINUTES = 10.0

_SMALL_TEXT = 300_000
_DEEP_MINUTES, _DEEP_TEXT = 10.0, 500_000

# Windows and streams, for shorter and shorter texts; each stream has at least so many windows.
_WINDOWS = ((48, 16), (48, 8), (24, 8), (24, 4), (24, 2), (12, 1))
_FEWEST_WINDOWS = 10
# A stream of an evaluation begins without context; it has at least so many characters.
_EVALUATED = 1000


@dataclass(frozen=True)
class _Shape:
    """A shape of the network and how fast it trains on two cores (docs/performance.md row 12, docs/experiments.md)."""

    hidden_size: int
    num_layers: int
    characters_per_second: int


_NARROW, _USUAL, _DEEP = _Shape(128, 1, 210_000), _Shape(256, 1, 96_000), _Shape(384, 2, 19_000)


def split_share(characters: int, documents: int | None) -> float:
    """Return the share of the text that validation and test get each; `documents` is None for a stream."""
    wanted = SPLIT_CHARACTERS / max(characters, 1)
    if documents is not None:
        wanted = max(wanted, SPLIT_DOCUMENTS / documents)
    return math.ceil(100 * min(max(wanted, SMALLEST_SHARE), LARGEST_SHARE)) / 100


def size_choices(characters: int, share: float, minutes: float | None, *, is_stream: bool) -> list[Choice]:
    """Return sections model, training and evaluation.

    Args:
        characters: of the whole text, stop symbols included.
        share: of it that validation and test get each.
        minutes: to train; None to choose.
        is_stream: whether the text has no documents.
    """
    train = max(int(characters * (1 - 2 * share)), 1)
    asked = minutes is not None
    if minutes is None:
        minutes = next((value for below, value in _MINUTES if characters < below), _MOST_MINUTES)
    shape, reason = _shape(characters, minutes)
    passes = shape.characters_per_second * 60 * minutes / train
    choices = [Choice("model.hidden_size", shape.hidden_size, reason)]
    if shape is _DEEP:
        choices += [Choice("model.num_layers", 2, ""), Choice("model.embedding_size", 128, "")]
    dropout = _dropout(shape, passes)
    if dropout:
        why = (
            f"In {counted(minutes, 'minute')}, two idle cores make at most about {_round(passes)} passes over the "
            "training text; so many would teach the model the text by heart, and dropout counteracts that."
        )
        choices.append(Choice("model.dropout", dropout, why))
    choices += _windows(shape, train)
    time = "As asked for" if asked else "Chosen for the length of the text"
    why = f"{time}: at most about {_round(passes)} passes over the training text on two idle cores."
    choices.append(Choice("training.max_minutes", minutes, why))
    if passes >= 5:
        why = "Weight decay keeps the loss on unread text from rising again when the training text is read many times."
        choices += [Choice("training.optimizer", "adamw", why), Choice("training.weight_decay", 0.05, "")]
    if shape is _DEEP:
        choices += [
            Choice("training.learning_rate", 0.004, "A deeper model needs smaller steps."),
            Choice("training.beta1", 0.8, ""),
            Choice("training.beta2", 0.99, ""),
            Choice("training.ema_decay", 0.998, ""),
        ]
    if is_stream and passes >= 5:
        streams = max(1, min(16, int(characters * share) // _EVALUATED))
        why = "Few streams: each starts without context, and a model trained for many passes predicts badly there."
        choices.append(Choice("evaluation.batch_size", streams, why))
    return choices


def _shape(characters: int, minutes: float) -> tuple[_Shape, str]:
    if characters < _SMALL_TEXT:
        return _NARROW, "A small text: a larger model would only learn it by heart."
    if minutes >= _DEEP_MINUTES and characters >= _DEEP_TEXT:
        return _DEEP, f"A text of this length and {minutes:g} minutes suffice for two layers, as in params/best.yaml."
    more = f" With --minutes {_DEEP_MINUTES:g} or more, init chooses two layers of {_DEEP.hidden_size}."
    return _USUAL, f"The usual size for a text of this length.{more if characters >= _DEEP_TEXT else ''}"


def _dropout(shape: _Shape, passes: float) -> float:
    if shape is _DEEP:
        return 0.4 if passes >= 5 else 0.2 if passes >= 2 else 0.0
    return 0.4 if passes >= 100 else 0.2 if passes >= 20 else 0.0


def _windows(shape: _Shape, train: int) -> list[Choice]:
    """Return windows and streams, where they are not the usual ones."""
    if shape is _DEEP:
        return [Choice("training.seq_length", 64, ""), Choice("training.batch_size", 32, "")]
    fitting = [pair for pair in _WINDOWS if train >= _FEWEST_WINDOWS * pair[0] * pair[1]]
    length, streams = fitting[0] if fitting else _WINDOWS[-1]
    usual = _DEFAULTS.training
    if (length, streams) == (usual.seq_length, usual.batch_size):
        return []
    why = f"With {train:,} characters to train on, shorter windows or fewer streams give more steps in a pass."
    return [Choice("training.seq_length", length, why), Choice("training.batch_size", streams, "")]


def _round(passes: float) -> str:
    """Return `passes` with one or two digits that count."""
    if passes < 1:
        return f"{passes:.1g}"
    digits = max(len(str(int(passes))) - 2, 0)
    return f"{round(passes, -digits):,.0f}"
