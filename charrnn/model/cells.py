"""The recurrent cells: one entry of `CELLS` holds everything that depends on the cell.

A new cell is an entry here and its name in `ModelParams.cell`. Knows neither characters nor the output layer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from charrnn.config.schema import ModelParams

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class NumpyStep:
    """How NumPy advances a layer of the cell by one character.

    The weights of layer k have PyTorch's names: weight_ih_l{k}, (gates * hidden_size, input_size), and bias_ih_l{k};
    where the state goes through a product, weight_hh_l{k}, (gates * hidden_size, hidden_size), and bias_hh_l{k}.

    Attributes:
        advance: takes gates, (texts, gates * hidden_size) float32, which it may overwrite, and the state, arrays of
            (texts, hidden_size), which it must leave as they are; returns the new state, h first. Unless `merged`, the
            gates are the input's part only, and the recurrent weight, transposed, and bias are two further arguments.
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
        layers: builds a stack of layers, called as `nn.GRU` is: (input_size, hidden_size, num_layers=, dropout=). What
            it builds maps x, (seq_length, batch_size, input_size), and the state to outputs, (seq_length, batch_size,
            hidden_size), and the state after. The state is one tensor, or a tuple if there are several, each
            (num_layers, batch_size, hidden_size).
        state_tensors: tensors in the state.
        initialise: changes the initial weights of such a stack, in place; None keeps PyTorch's.
        numpy_step: None where there is none; sampling is then done in PyTorch.
    """

    layers: Callable[..., nn.Module]
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


def _advance_gru(inputs: Array, state: list[Array], weight: Array, bias: Array) -> list[Array]:
    (h,) = state
    size = h.shape[1]
    recurrent: Array = h @ weight
    recurrent += bias
    gates = np.tanh(inputs[:, : 2 * size] + recurrent[:, : 2 * size])
    r, z = gates[:, :size], 0.5 * (gates[:, size:] + 1)
    n = np.tanh(inputs[:, 2 * size :] + 0.5 * (r + 1) * recurrent[:, 2 * size :])
    return [n + z * (h - n)]


def _advance_rnn(gates: Array, _state: list[Array]) -> list[Array]:
    return [np.tanh(gates)]


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
}
"""The table: the name in `ModelParams.cell` -> the cell."""
