"""NumpyStepper: a trained model, one character at a time, in NumPy.

PyTorch spends most of a step of this size on the overhead of calls. Here work is done once where possible: the first
layer's input becomes a table with a row for each character, biases are merged where they are added, sigmoids become
parts of one tanh, and the two products of a deeper layer are one, which from 256 units on is large enough for two
threads. np.dot begins its product 0.7 µs sooner than @.
Inference only, on the CPU; gives the logits of `CharRNN.forward` to about 1e-6. Knows no cell by name.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from charrnn.model.cells import Array, NumpyStep
from charrnn.model.char_rnn import CharRNN


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
        places = [(index, layer) for index, depth in enumerate(model.depths) for layer in range(depth)]
        self._layers = [
            _Layer(numpy_step, _layer_weights(model.rnns[index], layer), _norm(model.norms[index]), list(layer_state))
            for (index, layer), layer_state in zip(places, state_by_layer, strict=True)
        ]
        first = self._layers[0]
        if model.embedding is not None:
            vectors = _array(model.embedding.weight)
        else:
            vectors = np.eye(model.vocabulary_size, dtype=np.float32)
        self._table = vectors @ first.input_weight + first.input_bias
        self._decoder = np.ascontiguousarray(_array(model.decoder.weight).T)
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
        logits: Array = np.dot(x, self._decoder)
        logits += self._bias
        return logits


class _Layer:
    """One layer's weights, transposed, and its state: arrays of (texts, hidden_size), h first."""

    def __init__(
        self, numpy_step: NumpyStep, weights: Mapping[str, Array], norm: Callable[[Array], Array], state: list[Array]
    ) -> None:
        hidden_size = state[0].shape[1]
        scale = np.repeat(np.array(numpy_step.scales, dtype=np.float32), hidden_size)
        columns = np.concatenate([np.arange(hidden_size) + hidden_size * gate for gate in numpy_step.order])

        def arranged(name: str) -> Array:
            return np.ascontiguousarray((weights[name].T * scale)[..., columns])

        self.input_weight, self.input_bias = arranged("weight_ih"), arranged("bias_ih")
        self._weight: Array | None = None
        self._apart: tuple[Array, ...] = ()
        if "weight_hh" in weights and numpy_step.merged:
            self._weight = arranged("weight_hh")
            self._both_weights = np.concatenate((self._weight, self.input_weight))
            self.input_bias = self.input_bias + arranged("bias_hh")
        elif "weight_hh" in weights:
            self._apart = (arranged("weight_hh"), arranged("bias_hh"))
        self._state = state
        self._advance = numpy_step.advance
        self._norm = norm

    def step_first(self, gates: Array) -> Array:
        """Advance by one character, which contributes `gates` to the gates; return (texts, hidden_size)."""
        if self._weight is not None:
            inputs, gates = gates, np.dot(self._state[0], self._weight)
            gates += inputs
        self._state = self._advance(gates, self._state, *self._apart)
        return self._norm(self._state[0])

    def step(self, x: Array) -> Array:
        """Advance by one output of the layer below, (texts, its hidden_size); return (texts, hidden_size)."""
        if self._weight is not None:
            gates: Array = np.dot(np.concatenate((self._state[0], x), axis=1), self._both_weights)
        else:
            gates = np.dot(x, self.input_weight)
        gates += self.input_bias
        self._state = self._advance(gates, self._state, *self._apart)
        return self._norm(self._state[0])


def _layer_weights(rnn: nn.Module, layer: int) -> dict[str, Array]:
    """Return the weights of one layer without its number in their names."""
    end = f"_l{layer}"
    return {name.removesuffix(end): _array(tensor) for name, tensor in rnn.named_parameters() if name.endswith(end)}


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
