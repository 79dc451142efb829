"""Windows: what one step of training or evaluation reads, whichever way a split is laid out.

A window is what truncated backpropagation through time (Williams and Peng, 1990) goes back through.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

IGNORED = -100
"""Target of a place where nothing is to be predicted; PyTorch's losses leave it out."""


def put(tensor: Tensor, device: torch.device) -> Tensor:
    """Return `tensor`, which is on the CPU, on `device`; no work on the GPU is waited for."""
    # Only from pinned memory is a copy queued behind that work.
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


@dataclass(frozen=True)
class Window:
    """A piece of every stream, side by side.

    Attributes:
        inputs: (seq_length, batch_size) int64 on the device; anything where the target is IGNORED.
        targets: the same, the id after each input, or IGNORED.
        characters: predictions to make: targets that are not IGNORED (count); in a share of a window, those of all.
        offsets: (batch_size,) characters of the stream before the window since its state was last zero; 0 where it
            begins anew.
        begins: (batch_size,) position in the split's ids of each first input.
    """

    inputs: Tensor
    targets: Tensor
    characters: int
    offsets: npt.NDArray[np.int64]
    begins: npt.NDArray[np.int64]

    def of_streams(self, share: slice) -> "Window":
        """Return what some of its streams have of the window; `characters` stays that of all streams."""
        return replace(
            self,
            inputs=self.inputs[:, share],
            targets=self.targets[:, share],
            offsets=self.offsets[share],
            begins=self.begins[share],
        )

    def carried(self, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return `state`, which the window before left, with zeros for the streams that begin anew.

        Args:
            state: tensors of (num_layers, batch_size, hidden_size).
        """
        anew = self.offsets == 0
        if not anew.any():
            return state
        if anew.all():
            return tuple(torch.zeros_like(part) for part in state)
        mask = put(torch.from_numpy(anew), state[0].device)[:, None]
        return tuple(part.masked_fill(mask, 0.0) for part in state)


class Windows(Protocol):
    """A split as a sequence of windows, the same number in each epoch."""

    @property
    def batch_size(self) -> int:
        """Streams side by side; fewer than asked for when the split cannot fill them."""

    @property
    def seq_length(self) -> int:
        """Most characters of a stream in a window."""

    @property
    def num_windows(self) -> int:
        """Windows in an epoch."""

    @property
    def characters(self) -> int:
        """Predictions in an epoch (characters, stop symbols included)."""

    @property
    def dropped(self) -> int:
        """Characters that are in no window."""

    @property
    def device(self) -> torch.device:
        """Where windows are."""

    def window(self, index: int, epoch: int = 0) -> Window:
        """Return window `index` of epoch `epoch`. Raises IndexError where there is none."""
