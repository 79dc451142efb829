"""Reading a held-out text through a model: what each character costs, what was likeliest, what every unit does.

Knows neither what is made of it nor how it is shown.
"""

import math
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.errors import DivergedError
from charrnn.evaluation.held_out import HeldOut
from charrnn.model.char_rnn import CharRNN, State

Floats = npt.NDArray[np.float32]

PIECES = 64
"""Pieces of a text that are read side by side, at most."""
CONTEXT = 200
"""Characters that each piece but the first reads before its own."""
LIKELIEST = 5


@dataclass(frozen=True, eq=False)
class Reading:
    """A text as a model reads it.

    Attributes:
        held_out: the text.
        bits: (symbols,) float32 surprisal of each, NaN for the first symbol and those the model has never seen.
        likeliest: (symbols, 5) int32 ids that the model found likeliest there, the likeliest first.
        probabilities: (symbols, 5) float32, theirs.
        activations: (symbols, layers * units) float16, from -1 to 1, what every unit holds after it has read each; see
            `held`.
        layers: of the model (count).
        pace: how fast it was read, side by side: symbols in a second, contexts included.
    """

    held_out: HeldOut
    bits: Floats
    likeliest: npt.NDArray[np.int32]
    probabilities: Floats
    activations: npt.NDArray[np.float16]
    layers: int
    pace: float

    @property
    def bits_per_character(self) -> float:
        """The mean surprisal (bits)."""
        return float(np.nanmean(self.bits))


def held(state: State) -> Tensor:
    """Return what each unit holds, on a scale from -1 to 1: (num_layers, batch_size, hidden_size).

    Of a cell with a memory apart from its output, such as the LSTM, tanh of the memory, as in Karpathy 2015, The
    Unreasonable Effectiveness of Recurrent Neural Networks; of others the output, cut off at -1 and 1.
    """
    return state[-1].tanh() if len(state) > 1 else state[0].clamp(-1, 1)


@torch.inference_mode()
def read(network: CharRNN, held_out: HeldOut) -> Reading:
    """Read `held_out`, from the zero state at its beginning and, for a model of documents, at each stop symbol.

    Args:
        network: on the CPU, in evaluation mode.
        held_out: at least two symbols.

    Raises:
        DivergedError: what the model predicts is not finite.
    """
    started, length, shape = time.monotonic(), len(held_out), network.params
    count = min(PIECES, max(1, length // (2 * CONTEXT)))
    bounds = np.arange(count + 1) * length // count
    context = CONTEXT if count > 1 else 0
    kept = min(LIKELIEST, network.vocabulary_size)
    bits = np.full(length + 1, np.nan, dtype=np.float32)
    likeliest = np.zeros((length + 1, kept), dtype=np.int32)
    probabilities = np.zeros((length + 1, kept), dtype=np.float32)
    activations = np.zeros((length, shape.num_layers * shape.hidden_size), dtype=np.float16)
    state = network.initial_state(count)
    targets = np.append(held_out.ids, 0)
    steps = context + int(np.diff(bounds).max())
    for step in range(steps):
        places = bounds[:-1] - context + step
        inside = np.clip(places, 0, length - 1)
        begins = torch.from_numpy((places <= 0) | held_out.stops[inside])
        state = tuple(tensor.masked_fill(begins[None, :, None], 0.0) for tensor in state)
        logits, state = network(torch.from_numpy(held_out.ids[inside])[None], state)
        own = np.flatnonzero((places >= bounds[:-1]) & (places < bounds[1:]))
        if not len(own):
            continue
        at, logs = places[own], logits[0][own].log_softmax(-1)
        after = torch.from_numpy(targets[at + 1])
        bits[at + 1] = -logs.gather(1, after[:, None])[:, 0].numpy() / math.log(2)
        best = logs.topk(kept)
        likeliest[at + 1], probabilities[at + 1] = best.indices.numpy(), best.values.exp().numpy()
        activations[at] = held(state)[:, own].transpose(0, 1).flatten(1).numpy()
    if not np.isfinite(bits[1:length]).all():
        raise DivergedError("the model's losses are not finite: its training diverged")
    bits = bits[:length]
    bits[held_out.unknown] = np.nan
    pace = steps * count / max(time.monotonic() - started, 1e-6)
    return Reading(held_out, bits, likeliest[:length], probabilities[:length], activations, shape.num_layers, pace)
