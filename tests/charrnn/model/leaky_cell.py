"""A cell that only tests have: weights under names of its own, and no NumPy step."""

import pytest
import torch
from torch import Tensor, nn

from charrnn.model.cells import CELLS, Cell


class _LeakyLayer(nn.Module):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inwards = nn.Linear(input_size, hidden_size)
        self.onwards = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        outputs = []
        for row in self.inwards(x):
            h = 0.5 * h + 0.5 * torch.tanh(row + self.onwards(h))
            outputs.append(h)
        return torch.stack(outputs), h


class _LeakyCell(nn.Module):
    """h = h / 2 + tanh(A x + B h) / 2; no dropout between layers."""

    def __init__(self, input_size: int, hidden_size: int, *, num_layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(_LeakyLayer(size, hidden_size) for size in sizes)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        after = []
        for layer, h in zip(self.layers, state, strict=True):
            x, h = layer(x, h)
            after.append(h)
        return x, torch.stack(after)


def register_leaky_cell(monkeypatch: pytest.MonkeyPatch, name: str = "leaky") -> str:
    """Put the cell in the table while a test runs, and return its name; `ModelParams.cell` does not know it."""
    monkeypatch.setitem(CELLS, name, Cell(_LeakyCell))
    return name
