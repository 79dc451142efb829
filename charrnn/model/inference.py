"""Stepper: a trained model, one character at a time; in NumPy if its cell has a step for that, else in PyTorch."""

import functools
import logging
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.model.char_rnn import CharRNN, State, evaluating
from charrnn.model.numpy_inference import NumpyStepper
from charrnn.model.products import Array

logger = logging.getLogger("charrnn")


class Stepper(Protocol):
    """Reads a character of every text at once; holds their hidden state."""

    def step(self, ids: npt.NDArray[np.int64]) -> Array:
        """Read one character of each text.

        Args:
            ids: (texts,).

        Returns:
            Logits for the next one, (texts, vocabulary_size) float32.
        """
        ...

    def keep(self, rows: npt.NDArray[np.int64]) -> None:
        """Go on with the texts at `rows` alone, (kept,), in this order."""
        ...

    def append(self, state: Sequence[Tensor]) -> None:
        """Go on with more texts, after those that are there.

        Args:
            state: of the texts that are added, see `charrnn.model.char_rnn.State`. Not changed.
        """
        ...


def stepper(model: CharRNN, state: Sequence[Tensor]) -> Stepper:
    """Return a NumpyStepper if the model's cell has a NumPy step, else a TorchStepper (logged once in a process).

    Args:
        model: on any device, in any mode; must not be trained on while the stepper is used.
        state: hidden state to go on from, see `charrnn.model.char_rnn.State`; its batch is the texts, of which there
            may be none yet. Not changed.
    """
    if model.cell.numpy_step is not None:
        return NumpyStepper(model, model.cell.numpy_step, state)
    _log_fallback(model.params.cell)
    return TorchStepper(model, state)


class TorchStepper:
    """A `Stepper` that calls the model: for cells without a NumPy step."""

    def __init__(self, model: CharRNN, state: Sequence[Tensor]) -> None:
        """Keep `model` and `state`, as `stepper` takes them."""
        self._model = model
        self._state: State = tuple(tensor.to(model.decoder.weight.dtype) for tensor in state)

    @torch.inference_mode()
    def step(self, ids: npt.NDArray[np.int64]) -> Array:
        """See `Stepper.step`."""
        with evaluating(self._model):
            logits, self._state = self._model(
                torch.from_numpy(ids)[None].to(self._model.decoder.weight.device), self._state
            )
        array: Array = logits[0].float().cpu().numpy()
        return array

    def keep(self, rows: npt.NDArray[np.int64]) -> None:
        """See `Stepper.keep`."""
        self._state = tuple(part[:, torch.from_numpy(rows).to(part.device)] for part in self._state)

    def append(self, state: Sequence[Tensor]) -> None:
        """See `Stepper.append`."""
        self._state = tuple(
            torch.cat((part, added.to(part)), dim=1) for part, added in zip(self._state, state, strict=True)
        )


@functools.cache
def _log_fallback(cell: str) -> None:
    """Log once in a process that `cell` is sampled from in PyTorch."""
    logger.info("sample    cell %s has no NumPy step: PyTorch computes each character, which is slower", cell)
