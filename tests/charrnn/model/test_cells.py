"""One table says all that depends on the cell."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from charrnn.config.schema import ModelParams
from charrnn.model.cells import CELLS, LinearRecurrence, MinGRU, recurrence_by_loop, recurrence_by_scan

PROJECT = Path(__file__).parents[3]


def test_the_cells_that_can_be_asked_for_are_those_of_the_table() -> None:
    assert get_args(ModelParams.model_fields["cell"].annotation) == tuple(CELLS)


def test_the_schema_is_read_without_torch() -> None:
    program = "import sys, charrnn.config.schema; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT).returncode == 0


Solve = Callable[[Tensor, Tensor, Tensor], Tensor]
SOLUTIONS = [recurrence_by_loop, recurrence_by_scan]


def recurrence(seq_length: int, batch_size: int = 2, hidden_size: int = 3, seed: int = 0) -> list[Tensor]:
    """a in (0, 1), b and the state before, in float64."""
    generator = torch.Generator().manual_seed(seed)
    shape = (seq_length, batch_size, hidden_size)
    a, b = torch.rand(shape, generator=generator).double(), torch.randn(shape, generator=generator).double()
    return [a, b, torch.randn(shape[1:], generator=generator).double()]


@pytest.mark.parametrize("solve", SOLUTIONS)
@given(seq_length=st.integers(1, 70), batch_size=st.integers(1, 3), seed=st.integers(0, 1000))
def test_loop_and_scan_give_the_linear_recurrence(solve: Solve, seq_length: int, batch_size: int, seed: int) -> None:
    a, b, h = recurrence(seq_length, batch_size, seed=seed)
    kept = [a.clone(), b.clone(), h.clone()]
    found = solve(a, b, h)
    assert all(map(torch.equal, (a, b, h), kept))
    for step in range(seq_length):
        h = a[step] * h + b[step]
        torch.testing.assert_close(found[step], h, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("solve", SOLUTIONS)
@pytest.mark.parametrize("seq_length", [1, 2, 7, 8])
def test_the_gradient_of_the_recurrence_agrees_with_finite_differences(solve: Solve, seq_length: int) -> None:
    values = [tensor.requires_grad_() for tensor in recurrence(seq_length)]
    # PyTorch does not annotate apply.
    assert torch.autograd.gradcheck(lambda *of: LinearRecurrence.apply(solve, *of), values)  # type: ignore[no-untyped-call]


def test_min_gru_follows_its_equations() -> None:
    torch.manual_seed(0)
    cell = MinGRU(4, 3)
    x, state = torch.randn(9, 5, 4), torch.randn(1, 5, 3)
    outputs, after = cell(x, state)
    (h,) = state
    for row, output in zip(x, outputs, strict=True):
        update, candidate = (row @ cell.weight_ih_l0.T + cell.bias_ih_l0).split(3, dim=1)
        z = 1 / (1 + torch.exp(-update))
        h = (1 - z) * h + z * candidate
        torch.testing.assert_close(output, h)
    torch.testing.assert_close(after, h[None])


def test_the_gradient_of_min_gru_agrees_with_finite_differences() -> None:
    torch.manual_seed(0)
    cell = MinGRU(4, 3).double()
    values = [torch.randn(5, 2, 4), torch.randn(1, 2, 3)]
    assert torch.autograd.gradcheck(cell, [tensor.double().requires_grad_() for tensor in values])


def test_under_autocast_min_gru_keeps_its_state_and_recurrence_in_float32() -> None:
    torch.manual_seed(0)
    cell = MinGRU(16, 32)
    # Gates that let 0.0005 in at each step: in bfloat16, the state would stay where it is.
    with torch.no_grad():
        cell.get_parameter("weight_ih_l0").zero_()
        cell.get_parameter("bias_ih_l0").copy_(torch.cat((torch.full((32,), -7.6), torch.full((32,), 2.0))))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, after = cell(torch.zeros(400, 1, 16), torch.ones(1, 1, 32))
    assert outputs.dtype == after.dtype == torch.float32
    z = torch.sigmoid(torch.tensor(-7.6).bfloat16().double())
    expected = 2 - (1 - z) ** 400
    torch.testing.assert_close(after.double(), expected.expand(1, 1, 32), rtol=1e-4, atol=0)
    torch.autograd.backward(outputs.sum())
    assert all(weights.grad is not None and weights.grad.dtype == torch.float32 for weights in cell.parameters())
