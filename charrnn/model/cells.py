"""The recurrent cells: one entry of `CELLS` holds everything that depends on the cell.

A new cell is an entry here and its name in `ModelParams.cell`. Knows neither characters nor the output layer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from charrnn.config.schema import ModelParams
from charrnn.model.products import Array, Product


@dataclass(frozen=True)
class NumpyStep:
    """How NumPy advances a layer of the cell by one character.

    A layer's weights have PyTorch's names: weight_ih_l0, (gates * hidden_size, input_size), and bias_ih_l0; where the
    state goes through a product, weight_hh_l0, (gates * hidden_size, hidden_size), and bias_hh_l0.

    Attributes:
        advance: takes gates, (texts, gates * hidden_size) float32, which it may overwrite, and the state, arrays of
            (texts, hidden_size), which it must leave as they are; returns the new state, h first. Unless `merged`, the
            gates are the input's part only, and the product with the recurrent weight and its bias are two further
            arguments.
        scales: of each gate, in the order of the torch weights: 0.5 for a sigmoid, else 1. A sigmoid is computed as
            (tanh(x / 2) + 1) / 2, so that one call of tanh serves several gates; the weights hold the inner half.
        order: places of the gates among the torch weights, in the order in which `advance` takes them.
        merged: the gates depend on the sum of the input's and the recurrent part alone, so that both parts are one
            product.
    """

    advance: Callable[..., list[Array]]
    scales: tuple[float, ...]
    order: tuple[int, ...]
    merged: bool = True


@dataclass(frozen=True)
class Cell:
    """What depends on the cell.

    Attributes:
        layer: builds a layer, called as `nn.GRU` is: (input_size, hidden_size). What it builds maps x, (seq_length,
            batch_size, input_size), and the state to outputs, (seq_length, batch_size, hidden_size), and the state
            after. The state is one tensor, or a tuple if there are several, each (1, batch_size, hidden_size).
        state_tensors: tensors in the state.
        initialise: changes the initial weights of such a layer, in place; None keeps PyTorch's.
        numpy_step: None where there is none; sampling is then done in PyTorch.
    """

    layer: Callable[[int, int], nn.Module]
    state_tensors: int = 1
    initialise: Callable[[nn.Module, ModelParams], None] | None = None
    numpy_step: NumpyStep | None = None


def _set_forget_bias(lstm: nn.Module, params: ModelParams) -> None:
    """Start with open forget gates: Jozefowicz et al. 2015, An Empirical Exploration of Recurrent Networks."""
    size = params.hidden_size
    for name, parameter in lstm.named_parameters():
        # PyTorch keeps two biases that are added, gates in the order input, forget, cell, output.
        if name.startswith("bias_ih_"):
            parameter.data[size : 2 * size].fill_(params.forget_bias)
        elif name.startswith("bias_hh_"):
            parameter.data[size : 2 * size].zero_()


class MinGRU(nn.Module):
    """A layer of the minimal gated recurrent unit: Feng et al. 2024, Were RNNs All We Needed?, arXiv 2410.01201.

    z_t = sigmoid(W_z x_t + b_z), c_t = W_c x_t + b_c, h_t = (1 - z_t) h_{t-1} + z_t c_t. Gates depend on the input
    alone, so that those of a whole window are one product. Called as `nn.GRU` is; weights have its names and initial
    distribution, gates in the order z, c. The recurrence is computed in the state's dtype, under autocast too.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        bound = hidden_size**-0.5
        self.weight_ih_l0 = nn.Parameter(torch.empty(2 * hidden_size, input_size).uniform_(-bound, bound))
        self.bias_ih_l0 = nn.Parameter(torch.empty(2 * hidden_size).uniform_(-bound, bound))

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Read x, (seq_length, batch_size, input_size), from `state`, (1, batch_size, hidden_size), on."""
        # The loop makes seq_length calls, the scan four in each of log2(seq_length) rounds, but on more values. On a
        # CPU, arithmetic costs more than calls: forward and backward by the scan took 1.2 to 1.9 times as long (one
        # thread of an AMD EPYC, seq_length 48 to 256, batch_size 16 to 64, hidden_size 256). On a GPU, calls cost more.
        solve = recurrence_by_scan if x.is_cuda else recurrence_by_loop
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]  # not annotated
            solve = recurrence_in_trace
        gates = F.linear(x, self.weight_ih_l0, self.bias_ih_l0)
        update, candidate = gates.to(state.dtype).chunk(2, dim=-1)
        z = torch.sigmoid(update)
        states = LinearRecurrence.apply(solve, 1 - z, z * candidate, state[0])  # type: ignore[no-untyped-call]  # not annotated
        # A copy: a view of the last state would keep those of the whole window in memory.
        return states, states[-1:].clone()


class LinearRecurrence(torch.autograd.Function):
    """h_t = a_t h_{t-1} + b_t; its gradient is the same recurrence, backwards in time.

    Args of `apply`: how to solve it, by one of the functions below; a and b, (seq_length, batch_size,
    hidden_size); the state before, (batch_size, hidden_size). Returns every h_t, shaped as a.
    """

    @staticmethod
    def forward(ctx: Any, solve: Callable[[Tensor, Tensor, Tensor], Tensor], a: Tensor, b: Tensor, h: Tensor) -> Tensor:
        """Solve it."""
        states = solve(a, b, h)
        ctx.solve = solve
        ctx.save_for_backward(a, h, states)
        return states

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor, Tensor]:
        """Return the gradients of a, b and the state before."""
        a, h, states = ctx.saved_tensors
        after = torch.cat((a[1:], torch.zeros_like(a[:1])))
        of_b = ctx.solve(after.flip(0), gradient.flip(0), torch.zeros_like(h)).flip(0)
        before = torch.cat((h[None], states[:-1]))
        return None, of_b * before, of_b, of_b[0] * a[0]


def recurrence_by_loop(a: Tensor, b: Tensor, h: Tensor) -> Tensor:
    """Return every h_t = a_t h_{t-1} + b_t from `h` on, one after the other."""
    states = torch.empty_like(b)
    for a_t, b_t, out in zip(a, b, states, strict=True):
        h = torch.addcmul(b_t, a_t, h, out=out)
    return states


def recurrence_in_trace(a: Tensor, b: Tensor, h: Tensor) -> Tensor:
    """Return the same without writing in place, which a trace of the model, such as for ONNX, does not see.

    The loop alone takes 1.2 to 2 times as long (one thread, shapes as above).
    """
    states = []
    for a_t, b_t in zip(a, b, strict=True):
        h = torch.addcmul(b_t, a_t, h)
        states.append(h)
    return torch.stack(states)


def recurrence_by_scan(a: Tensor, b: Tensor, h: Tensor) -> Tensor:
    """Return the same by a parallel scan: Hillis & Steele 1986, Data Parallel Algorithms.

    After each round, a_t and b_t lead from the state `distance` steps back to h_t.
    """
    states, a = b.clone(), a.clone()
    states[0].addcmul_(a[0], h)
    distance = 1
    while distance < len(a):
        states[distance:] = torch.addcmul(states[distance:], a[distance:], states[:-distance])
        a[distance:] = a[distance:] * a[:-distance]
        distance *= 2
    return states


def _advance_lstm(gates: Array, state: list[Array]) -> list[Array]:
    c = state[1]
    size = c.shape[1]
    np.tanh(gates, out=gates)
    sigmoids, g = gates[:, : 3 * size], gates[:, 3 * size :]
    sigmoids += 1
    sigmoids *= 0.5
    c = sigmoids[:, size : 2 * size] * c
    g *= sigmoids[:, :size]
    c += g
    h = np.tanh(c)
    h *= sigmoids[:, 2 * size :]
    return [h, c]


def _advance_gru(inputs: Array, state: list[Array], multiply: Product, bias: Array) -> list[Array]:
    (h,) = state
    size = h.shape[1]
    recurrent = multiply(h)
    recurrent += bias
    gates = np.tanh(inputs[:, : 2 * size] + recurrent[:, : 2 * size])
    r, z = gates[:, :size], 0.5 * (gates[:, size:] + 1)
    n = np.tanh(inputs[:, 2 * size :] + 0.5 * (r + 1) * recurrent[:, 2 * size :])
    return [n + z * (h - n)]


def _advance_rnn(gates: Array, _state: list[Array]) -> list[Array]:
    return [np.tanh(gates)]


def _advance_min_gru(gates: Array, state: list[Array]) -> list[Array]:
    (h,) = state
    size = h.shape[1]
    z = 0.5 * (np.tanh(gates[:, :size]) + 1)
    return [h + z * (gates[:, size:] - h)]


CELLS: Mapping[str, Cell] = {
    "lstm": Cell(
        nn.LSTM,
        state_tensors=2,
        initialise=_set_forget_bias,
        # Input, forget and output gate stand together: all three are sigmoids.
        numpy_step=NumpyStep(_advance_lstm, scales=(0.5, 0.5, 1.0, 0.5), order=(0, 1, 3, 2)),
    ),
    "gru": Cell(
        nn.GRU,
        # The reset gate multiplies only the recurrent part of the candidate, which therefore stays apart.
        numpy_step=NumpyStep(_advance_gru, scales=(0.5, 0.5, 1.0), order=(0, 1, 2), merged=False),
    ),
    "rnn": Cell(nn.RNN, numpy_step=NumpyStep(_advance_rnn, scales=(1.0,), order=(0,))),
    "min_gru": Cell(MinGRU, numpy_step=NumpyStep(_advance_min_gru, scales=(0.5, 1.0), order=(0, 1))),
}
"""The table: the name in `ModelParams.cell` -> the cell."""
