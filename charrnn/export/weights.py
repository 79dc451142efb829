"""The weights of a model as one block of bytes, in float32 or in int8, and what int8 costs."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from charrnn.evaluation.surprisal import score_text
from charrnn.generation.writer import Writer
from charrnn.model.char_rnn import CharRNN

Precision = Literal["float32", "int8"]
LARGEST = 127


@dataclass(frozen=True)
class Packed:
    """Weights in one block.

    Attributes:
        tensors: of each weight its `name`, `shape`, the `offset` of its values in the block (bytes) and that of the
            `scales` of its rows, float32; None for a weight that is float32 itself.
        block: little-endian float32, or int8 that is to be multiplied by the scale of its row.
    """

    tensors: Sequence[dict[str, Any]]
    block: bytes


def pack(network: CharRNN, precision: Precision) -> Packed:
    """Return the weights of `network`, shared ones once; with int8, matrices have it, biases and norms stay float32."""
    tensors: list[dict[str, Any]] = []
    block = bytearray()
    for name, parameter in network.named_parameters():
        values = parameter.detach().float().cpu().numpy()
        scales = None
        if precision == "int8" and values.ndim == 2:
            integers, by_row = _integers(values)
            scales = len(block)
            block += by_row.astype("<f4").tobytes()
            content = integers.tobytes()
        else:
            content = values.astype("<f4").tobytes()
        tensors.append({"name": name, "shape": list(values.shape), "offset": len(block), "scales": scales})
        block += content
    return Packed(tensors, bytes(block))


def packed_size(network: CharRNN, precision: Precision) -> int:
    """Return the length of the block (bytes), without making it."""
    size = 0
    for parameter in network.parameters():
        small = precision == "int8" and parameter.ndim == 2
        size += parameter.numel() + 4 * len(parameter) if small else 4 * parameter.numel()
    return size


def rounded(network: CharRNN) -> CharRNN:
    """Return a copy on the CPU whose weights are those that int8 keeps."""
    copied = copy.deepcopy(network).cpu()
    with torch.no_grad():
        for parameter in copied.parameters():
            if parameter.ndim == 2:
                integers, by_row = _integers(parameter.detach().float().numpy())
                parameter.copy_(torch.from_numpy(integers * by_row[:, None]))
    return copied


def bits_per_character(writer: Writer, precision: Precision, text: str | Sequence[str]) -> float:
    """Return what `text`, or several, cost with weights of this precision (bits per character).

    Raises:
        CorpusError: there is nothing to predict.
        DivergedError: the losses are not finite.
    """
    network = rounded(writer.network) if precision == "int8" else writer.network
    return score_text(network, writer.vocabulary, writer.data, text, of_lines=writer.of_lines).bits_per_char


def _integers(matrix: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return the nearest multiples of each row's scale, as int8, and the scales, (rows,)."""
    smallest = np.finfo(np.float32).tiny  # of a row of zeros, or next to them: no division by zero
    scales = np.maximum(np.abs(matrix).max(axis=1) / LARGEST, smallest).astype(np.float32)
    return np.rint(matrix / scales[:, None]).astype(np.int8), scales
