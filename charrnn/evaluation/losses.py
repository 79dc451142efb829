"""Reading a split through a model window by window, and the losses that come of it.

Nothing here changes a model, its training state or any random state.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from charrnn.data.streams import Streams
from charrnn.model.char_rnn import CharRNN, evaluating


@dataclass(frozen=True)
class Predictions:
    """What a model predicts in one window; all on the device of the streams.

    Attributes:
        losses: (seq_length, batch_size) float32, the cross-entropy of each target (nats).
        logits: (seq_length, batch_size, vocabulary_size) float32.
        targets: (seq_length, batch_size) int64, the ids that were to be predicted.
    """

    losses: Tensor
    logits: Tensor
    targets: Tensor


@torch.inference_mode()
def window_predictions(model: CharRNN, streams: Streams, windows: int | None = None) -> Iterator[Predictions]:
    """Yield the predictions of `model` window by window, the hidden state carried over from zero.

    Args:
        model: on the device of `streams`.
        streams: of the split to evaluate.
        windows: only the first so many (count); None for all.
    """
    state = model.initial_state(streams.batch_size)
    for index in range(streams.num_windows if windows is None else min(windows, streams.num_windows)):
        inputs, targets = streams.window(index)
        with evaluating(model):
            logits, state = model(inputs, state)
        logits = logits.float()
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
        yield Predictions(losses, logits, targets)


def summed_losses(model: CharRNN, streams: Streams, windows: int | None = None) -> Iterator[tuple[Tensor, int]]:
    """Yield, window by window, the sum of the losses so far and the number of characters in it.

    Args:
        model: on the device of `streams`.
        streams: of the split to evaluate.
        windows: only the first so many (count); None for all.

    Yields:
        The sum, () float64 on the device (nats), so that only reading it waits for the device; and the count.
    """
    total = torch.zeros((), dtype=torch.float64, device=streams.device)
    characters = 0
    for window in window_predictions(model, streams, windows):
        total = total + window.losses.sum(dtype=torch.float64)
        characters += window.losses.numel()
        yield total, characters


def mean_loss(model: CharRNN, streams: Streams, windows: int | None = None) -> float:
    """Return the mean loss over `streams`, or over their first `windows` windows (nats per character)."""
    *_, (total, characters) = summed_losses(model, streams, windows)
    return float(total) / characters


def probe_loss(model: CharRNN, streams: Streams, window: int) -> float:
    """Return the Flux reference's probe: the loss of one window, summed over its steps, averaged over streams (nats).

    Args:
        model: on the device of `streams`.
        streams: of the training split.
        window: its number, from 1. The windows before it are read first, so that its hidden state is the text's.
    """
    *_, losses = (predictions.losses for predictions in window_predictions(model, streams, windows=window))
    return float(losses.mean(dim=1).sum())
