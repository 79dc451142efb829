"""NumpyStepper: a trained model, one character at a time, in NumPy.

PyTorch spends most of a step of this size on the overhead of calls. Here work is done once where possible: the first
layer's input becomes a table with a row for each character, biases are merged where they are added, sigmoids become
parts of one tanh, and the two products of a deeper layer are one, which from 256 units on is large enough for two
threads. np.dot begins its product 0.7 µs sooner than @.
Inference only, on the CPU; gives the logits of `CharRNN.forward` to about 1e-6, and where large matrices of layers are
multiplied in integers (`charrnn.model.products`) to about 1e-2. Knows no cell by name.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from charrnn.model.cells import NumpyStep
from charrnn.model.char_rnn import CharRNN
from charrnn.model.products import Array, Product, float_product, product, transposed


class NumpyStepper:
    """Reads a character of every text at once; holds their hidden state."""

    def __init__(self, model: CharRNN, numpy_step: NumpyStep, state: Sequence[Tensor]) -> None:
        """Copy the weights.

        Args:
            model: on any device.
            numpy_step: of the model's cell.
            state: hidden state to go on from, see `charrnn.model.char_rnn.State`; its batch is the texts.
        """
        state_by_layer = zip(*(_array(tensor) for tensor in state), strict=True)
        self._layers = [
            _Layer(numpy_step, _layer_weights(rnn), _norm(norm), list(layer_state), is_first=rnn is model.rnns[0])
            for rnn, norm, layer_state in zip(model.rnns, model.norms, state_by_layer, strict=True)
        ]
        first = self._layers[0]
        if model.embedding is not None:
            vectors = _array(model.embedding.weight)
        else:
            vectors = np.eye(model.vocabulary_size, dtype=np.float32)
        self._table = vectors @ transposed(first.input_weight) + first.input_bias
        # In float32 for any number of characters: what integers cost was measured in recurrent layers only.
        self._decode = float_product(_array(model.decoder.weight))
        self._bias = _array(model.decoder.bias).copy()

    def step(self, ids: npt.NDArray[np.int64]) -> Array:
        """Read one character of each text.

        Args:
            ids: (texts,).

        Returns:
            Logits for the next one, (texts, vocabulary_size) float32.
        """
        x = self._layers[0].step_first(self._table[ids])
        for layer in self._layers[1:]:
            x = layer.step(x)
        logits = self._decode(x)
        logits += self._bias
        return logits

    def keep(self, rows: npt.NDArray[np.int64]) -> None:
        """See `charrnn.model.inference.Stepper.keep`."""
        for layer in self._layers:
            layer.state = [part[rows] for part in layer.state]

    def append(self, state: Sequence[Tensor]) -> None:
        """See `charrnn.model.inference.Stepper.append`."""
        added = zip(*(_array(tensor) for tensor in state), strict=True)
        for layer, parts in zip(self._layers, added, strict=True):
            layer.state = [np.concatenate(pair) for pair in zip(layer.state, parts, strict=True)]


class _Layer:
    """One layer's weights, and its state, which is replaced at each step.

    Attributes:
        state: arrays of (texts, hidden_size) float32, h first.
    """

    def __init__(
        self,
        numpy_step: NumpyStep,
        weights: Mapping[str, Array],
        norm: Callable[[Array], Array],
        state: list[Array],
        *,
        is_first: bool,
    ) -> None:
        hidden_size = state[0].shape[1]
        scale = np.repeat(np.array(numpy_step.scales, dtype=np.float32), hidden_size)
        rows = np.concatenate([np.arange(hidden_size) + hidden_size * gate for gate in numpy_step.order])

        def arranged(name: str) -> Array:
            weight: Array = weights[name][rows]
            weight *= scale[rows].reshape(-1, *[1] * (weight.ndim - 1))
            return weight

        self.input_weight, self.input_bias = arranged("weight_ih"), arranged("bias_ih")
        # What the layer multiplies with in a step: of the first one, whose input is in the table, the state alone.
        weight = self.input_weight
        self._merged = "weight_hh" in weights and numpy_step.merged
        self._apart: tuple[Product, Array] | tuple[()] = ()
        if self._merged:
            recurrent = arranged("weight_hh")
            weight = recurrent if is_first else np.concatenate((recurrent, weight), axis=1)
            self.input_bias = self.input_bias + arranged("bias_hh")
        elif "weight_hh" in weights:
            self._apart = (product(arranged("weight_hh")), arranged("bias_hh"))
        if self._merged or not is_first:
            self._multiply = product(weight)
        self.state = state
        self._advance = numpy_step.advance
        self._norm = norm

    def step_first(self, gates: Array) -> Array:
        """Advance by one character, which contributes `gates` to the gates; return (texts, hidden_size)."""
        if self._merged:
            inputs, gates = gates, self._multiply(self.state[0])
            gates += inputs
        self.state = self._advance(gates, self.state, *self._apart)
        return self._norm(self.state[0])

    def step(self, x: Array) -> Array:
        """Advance by one output of the layer below, (texts, its hidden_size); return (texts, hidden_size)."""
        gates = self._multiply(np.concatenate((self.state[0], x), axis=1) if self._merged else x)
        gates += self.input_bias
        self.state = self._advance(gates, self.state, *self._apart)
        return self._norm(self.state[0])


def _layer_weights(rnn: nn.Module) -> dict[str, Array]:
    """Return the weights of a layer without the number that PyTorch gives it in their names."""
    return {name.removesuffix("_l0"): _array(tensor) for name, tensor in rnn.named_parameters()}


def _norm(module: nn.Module) -> Callable[[Array], Array]:
    if not isinstance(module, nn.LayerNorm):
        return lambda x: x
    weight, bias, epsilon = _array(module.weight).copy(), _array(module.bias).copy(), module.eps

    def norm(x: Array) -> Array:
        centred = x - x.mean(axis=1, keepdims=True)
        variance = np.square(centred).mean(axis=1, keepdims=True)
        normed: Array = centred / np.sqrt(variance + epsilon) * weight + bias
        return normed

    return norm


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().float().cpu().numpy()
    return array
