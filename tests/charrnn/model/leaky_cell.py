"""A cell that only tests have: weights under names of its own, and no NumPy step."""

import pytest
import torch
from torch import Tensor, nn

from charrnn.model.cells import CELLS, Cell


class _LeakyCell(nn.Module):
    """h = h / 2 + tanh(A x + B h) / 2."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inwards = nn.Linear(input_size, hidden_size)
        self.onwards = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        outputs, (h,) = [], state
        for row in self.inwards(x):
            h = 0.5 * h + 0.5 * torch.tanh(row + self.onwards(h))
            outputs.append(h)
        return torch.stack(outputs), h[None]


def register_leaky_cell(monkeypatch: pytest.MonkeyPatch, name: str = "leaky") -> str:
    """Put the cell in the table while a test runs, and return its name; `ModelParams.cell` does not know it."""
    monkeypatch.setitem(CELLS, name, Cell(_LeakyCell))
    return name
