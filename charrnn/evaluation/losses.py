"""Reading a split through a model window by window, and the losses that come of it.

Nothing here changes a model, its training state or any random state.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from charrnn.data.windows import IGNORED, Window, Windows
from charrnn.model.char_rnn import CharRNN, evaluating


@dataclass(frozen=True)
class Predictions:
    """What a model predicts in one window, step by step; tensors are on the device of the streams.

    Attributes:
        losses: (characters,) float32, the cross-entropy of each target (nats).
        logits: (characters, vocabulary_size) float32.
        targets: (characters,) int64, the ids that were to be predicted.
        contexts: (characters,) the place of each since the state was zero: 0 for the first that was to be predicted
            then, before which the model has read one character.
        places: (characters,) the position of each target in the ids of the split.
    """

    losses: Tensor
    logits: Tensor
    targets: Tensor
    contexts: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]

    def detached(self) -> "Predictions":
        """Return the same without what gradients are computed from."""
        return replace(self, losses=self.losses.detach(), logits=self.logits.detach())


def predictions_of(window: Window, logits: Tensor) -> Predictions:
    """Return the predictions in `window` given its `logits`, (seq_length, batch_size, vocabulary_size)."""
    logits, targets = logits.flatten(0, 1).float(), window.targets.flatten()
    steps = np.arange(len(window.inputs))[:, None]
    contexts, places = (steps + window.offsets).reshape(-1), (steps + window.begins + 1).reshape(-1)
    if window.characters < len(targets):
        predicted = targets != IGNORED
        logits, targets = logits[predicted], targets[predicted]
        contexts, places = (values[predicted.cpu().numpy()] for values in (contexts, places))
    losses = F.cross_entropy(logits, targets, reduction="none")
    return Predictions(losses, logits, targets, contexts, places)


@torch.inference_mode()
def window_predictions(model: CharRNN, streams: Windows, windows: int | None = None) -> Iterator[Predictions]:
    """Yield the predictions of `model` window by window, the hidden state carried over from zero.

    Args:
        model: on the device of `streams`.
        streams: of the split to evaluate.
        windows: only the first so many (count); None for all.
    """
    state = model.initial_state(streams.batch_size)
    for index in range(streams.num_windows if windows is None else min(windows, streams.num_windows)):
        window = streams.window(index)
        with evaluating(model):
            logits, state = model(window.inputs, window.carried(state))
        yield predictions_of(window, logits)


def summed_losses(model: CharRNN, streams: Windows, windows: int | None = None) -> Iterator[tuple[Tensor, int]]:
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


def mean_loss(model: CharRNN, streams: Windows, windows: int | None = None) -> float:
    """Return the mean loss over `streams`, or over their first `windows` windows (nats per character)."""
    *_, (total, characters) = summed_losses(model, streams, windows)
    return float(total) / characters


def probe_loss(model: CharRNN, streams: Windows, window: int) -> float:
    """Return the Flux reference's probe: the loss of one window, summed over its steps, averaged over streams (nats).

    Args:
        model: on the device of `streams`.
        streams: of the training split.
        window: its number, from 1. The windows before it are read first, so that its hidden state is the text's.
    """
    *_, losses = (predictions.losses for predictions in window_predictions(model, streams, windows=window))
    return float(losses.double().sum()) / streams.batch_size
