"""Loss, bits per character, perplexity and accuracy of a model on a split, and where its loss comes from.

Nothing here changes a model, its training state or any random state.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Vocabulary, character_name, printable
from charrnn.model.char_rnn import CharRNN, evaluating

# exp() of more is beyond a double.
MAX_EXPONENT = 709.0


@torch.inference_mode()
def window_losses(
    model: CharRNN, streams: Streams, windows: int | None = None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield losses, hits and targets window by window, the state carried over from zero.

    Args:
        model: on the device of `streams`.
        streams: of the split to evaluate.
        windows: only the first so many; None for all.

    Yields:
        losses (seq_length, batch_size) float32 in nats, hits (the likeliest character was right) bool, targets int64.
    """
    state = model.initial_state(streams.batch_size)
    for index in range(streams.num_windows if windows is None else min(windows, streams.num_windows)):
        inputs, targets = streams.window(index)
        with evaluating(model):
            logits, state = model(inputs, state)
        logits = logits.float()
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
        yield losses, logits.argmax(-1) == targets, targets


def summed_losses(model: CharRNN, streams: Streams, windows: int | None = None) -> Iterator[tuple[Tensor, int]]:
    """Yield, window by window, the loss summed so far (() float64, nats, on the device) and the characters it is of."""
    total = torch.zeros((), dtype=torch.float64, device=streams.device)
    characters = 0
    for losses, _, _ in window_losses(model, streams, windows):
        total = total + losses.sum(dtype=torch.float64)
        characters += losses.numel()
        yield total, characters


def mean_loss(model: CharRNN, streams: Streams, windows: int | None = None) -> float:
    """Return the mean loss over `streams`, or over their first `windows` windows, in nats per character."""
    *_, (total, characters) = summed_losses(model, streams, windows)
    return float(total) / characters


def probe_loss(model: CharRNN, streams: Streams, window: int) -> float:
    """Return the seed's probe: the loss of window number `window` (from 1), summed over its steps, mean over streams.

    The windows before it are read first, so that the state is the one the text gives.
    """
    *_, (losses, _, _) = window_losses(model, streams, windows=window)
    return float(losses.mean(dim=1).sum())


@dataclass(frozen=True)
class Report:
    """How well a model predicts a split.

    Attributes:
        loss: nats per character.
        accuracy: share of characters that were the likeliest.
        characters: predictions made.
        by_position: mean loss by place in the stream: `position` (characters from the start without context,
            bins that double), `loss`, `characters`.
        costliest: the 20 characters that cost the most in all: `character`, `name`, `count`, `mean_loss`,
            `share_of_loss`.
    """

    loss: float
    accuracy: float
    characters: int
    by_position: pd.DataFrame
    costliest: pd.DataFrame

    @property
    def bits_per_char(self) -> float:
        """Loss in bits: loss / ln 2."""
        return bits_per_char(self.loss)

    @property
    def perplexity(self) -> float:
        """exp(loss): the number of equally likely characters that would be as hard to guess; infinite beyond floats."""
        return math.exp(self.loss) if self.loss < MAX_EXPONENT else math.inf


def bits_per_char(loss: float) -> float:
    """Return `loss` (nats per character) in bits per character."""
    return loss / math.log(2)


def evaluate(model: CharRNN, streams: Streams, vocabulary: Vocabulary) -> Report:
    """Return the report of `model` on `streams`."""
    hits = 0
    cost = np.zeros(vocabulary.size)
    count = np.zeros(vocabulary.size, dtype=np.int64)
    position_loss: list[npt.NDArray[np.float64]] = []
    for losses, right, targets in window_losses(model, streams):
        hits += int(right.sum())
        flat = targets.flatten().cpu().numpy()
        cost += np.bincount(flat, weights=losses.flatten().cpu().numpy(), minlength=vocabulary.size)
        count += np.bincount(flat, minlength=vocabulary.size)
        position_loss.append(losses.mean(dim=1, dtype=torch.float64).cpu().numpy())
    return Report(
        loss=float(cost.sum()) / streams.characters,
        accuracy=hits / streams.characters,
        characters=streams.characters,
        by_position=_by_position(np.concatenate(position_loss), streams.batch_size),
        costliest=_costliest(cost, count, vocabulary),
    )


def _by_position(losses: npt.NDArray[np.float64], batch_size: int) -> pd.DataFrame:
    edges = [0, *(2**power for power in range(len(losses).bit_length()) if 2**power < len(losses)), len(losses)]
    spans = list(pairwise(edges))
    return pd.DataFrame(
        {
            "position": [f"{start}-{end - 1}" for start, end in spans],
            "loss": [float(losses[start:end].mean()) for start, end in spans],
            "characters": [(end - start) * batch_size for start, end in spans],
        }
    )


def _costliest(
    cost: npt.NDArray[np.float64], count: npt.NDArray[np.int64], vocabulary: Vocabulary, most: int = 20
) -> pd.DataFrame:
    worst = [int(index) for index in np.argsort(-cost, kind="stable")[:most] if count[index]]
    names = [vocabulary.characters[index] if index != vocabulary.padding_id else "" for index in worst]
    return pd.DataFrame(
        {
            "character": [printable(name) if name else "(padding)" for name in names],
            "name": [character_name(name) if name else "PADDING" for name in names],
            "count": count[worst],
            "mean_loss": cost[worst] / count[worst],
            # Nothing costs anything when every prediction is certain and right.
            "share_of_loss": cost[worst] / (cost.sum() or 1.0),
        }
    )
