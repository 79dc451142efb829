"""Dynamic evaluation: a copy of the model learns from each segment of the text after it has predicted it.

Krause et al. 2018, Dynamic Evaluation of Neural Sequence Models (ICML, https://arxiv.org/abs/1709.07432): gradients are
divided by their root mean square, and the weights decay towards those that were trained. The mean square is that of the
segments read so far, not of the training text: on tinyshakespeare the loss was the same (1.3126 against 1.3122 nats
per character), and no training text is needed. The settings were chosen on the last tenth of tinyshakespeare's
training part, with a model trained on the rest of it.
"""

import copy
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.data.windows import Windows
from charrnn.errors import DivergedError
from charrnn.evaluation.losses import Predictions, predictions_of
from charrnn.model.char_rnn import CharRNN, State

SEGMENT = 20
"""Characters that are predicted before the weights change."""
RATE = 1e-3
DECAY = 0.003
"""Share of the way back to the trained weights that is gone after each segment that is learnt from."""
FLOOR = 0.3
"""Added to each root mean square, as a share of the mean of all: weights of rare characters have gradients near 0."""
REFRESH = 10
"""Segments that are learnt from between two computations of the root mean squares, once there have been as many."""


def dynamic_predictions(
    model: CharRNN, streams: Windows, learnt: npt.NDArray[np.bool_] | None = None
) -> Iterator[Predictions]:
    """Yield what a copy of `model` predicts in each window, then let it learn from that window.

    Nothing that is yielded depends on a later window. `model` is not changed, nor any random state.

    Args:
        model: on the device of `streams`, which must be the CPU: cuDNN computes gradients in training mode only.
        streams: one stream, whose windows are the segments.
        learnt: (length,) which of the ids the copy learns to predict; None for all.

    Raises:
        DivergedError: a loss that it learns from is NaN or infinite.
    """
    learner = copy.deepcopy(model).eval().requires_grad_(True)
    weights: list[Tensor] = list(learner.parameters())
    trained = [weight.detach() for weight in model.parameters()]
    squares = [torch.zeros_like(weight) for weight in weights]
    steps: list[Tensor] = []
    learnt_from = 0
    state: State = learner.initial_state(streams.batch_size)
    for number in range(streams.num_windows):
        window = streams.window(number)
        with torch.enable_grad():
            logits, state = learner(window.inputs, window.carried(tuple(part.detach() for part in state)))
            predictions = predictions_of(window, logits)
            losses = predictions.losses
            if learnt is not None:
                losses = losses[torch.from_numpy(learnt[predictions.places])]
            loss = losses.mean()
        if not len(losses):
            yield predictions.detached()
            continue
        if not torch.isfinite(loss):
            raise DivergedError("dynamic evaluation: the loss is not finite")
        gradients = torch.autograd.grad(loss, weights)
        learnt_from += 1
        with torch.no_grad():
            torch._foreach_addcmul_(squares, gradients, gradients)
            if learnt_from <= REFRESH or learnt_from % REFRESH == 0:
                steps = _steps(squares, learnt_from)
            torch._foreach_addcmul_(weights, gradients, steps, value=-1)
            torch._foreach_lerp_(weights, trained, DECAY)
        yield predictions.detached()


def _steps(squares: list[Tensor], segments: int) -> list[Tensor]:
    """Return what each gradient is multiplied with, given the sums of their squares over so many segments."""
    roots = [(total / segments).sqrt() for total in squares]
    mean = sum(float(root.sum()) for root in roots) / sum(root.numel() for root in roots)
    # Where every gradient is 0 so far, nothing is to be divided.
    floor = FLOOR * mean or 1.0
    return [RATE / (root + floor) for root in roots]
