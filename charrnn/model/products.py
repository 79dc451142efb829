"""The product of the states of some texts with a matrix of a trained model: the arithmetic of sampling.

float32 in NumPy; for a large matrix of a recurrent layer, 8-bit integers where the processor multiplies those. Every
character reads all weights, and those of a large layer do not stay in the processor's cache: integers are a quarter of
the bytes. Which of the two a matrix gets depends on the matrix and the processor alone, so that a seed gives the same
text each time. Knows no cell and no layer.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from charrnn.model.processor import multiplies_int8

Array = npt.NDArray[np.floating[Any]]

LARGE = 1 << 20
"""Weights from which on a matrix is multiplied in integers: the recurrent weights of 512 units of an LSTM."""
LARGEST = 127
SMALLEST = np.float32(1e-30)
"""A row of zeros, the state before any character, is divided by this."""
BLOCK = 64
"""Outputs whose weights are rounded at a time, so that they stay in the cache."""

Product = Callable[[Array], Array]
"""Maps (texts, inputs) float32 to (texts, outputs) float32."""


def product(weight: Array) -> Product:
    """Return what multiplies rows with the transpose of `weight`, (outputs, inputs) float32, in one of the two."""
    # Of weights that are not finite, those of a training that diverged, only floats tell.
    if weight.size >= LARGE and multiplies_int8() and np.isfinite(weight).all():
        return IntegerProduct(weight)
    return float_product(weight)


def float_product(weight: Array) -> Product:
    """Return the same in float32, whatever the size of `weight`."""
    return functools.partial(_multiply, transposed(weight))


def transposed(weight: Array) -> Array:
    """Return a transposed copy of `weight`, (outputs, inputs), which PyTorch makes faster than NumPy."""
    copy: Array = torch.from_numpy(weight).t().contiguous().numpy()
    return copy


def _multiply(matrix: Array, rows: Array) -> Array:
    found: Array = np.dot(rows, matrix)
    return found


class IntegerProduct:
    """A `Product` in 8-bit integers with 32-bit sums, which are exact: a row gets the same alone and beside others.

    Each output of the weights and each row has a scale of its own, by which its largest value becomes LARGEST: Dettmers
    et al. 2022, LLM.int8() (https://arxiv.org/abs/2208.07339), section 3, there called vector-wise quantisation.
    """

    def __init__(self, weight: Array) -> None:
        """Round `weight`, (outputs, inputs) float32, all of it finite."""
        rounded = np.empty(weight.shape, dtype=np.int8)
        scales = np.empty(len(weight), dtype=np.float32)
        for start in range(0, len(weight), BLOCK):
            part = slice(start, start + BLOCK)
            rounded[part], largest = _rounded(weight[part])
            scales[part] = largest[:, 0] / LARGEST**2
        # The weights of an output stand side by side: PyTorch then takes a third of the time for one row.
        self._matrix = torch.from_numpy(rounded).t()
        self._scales = scales

    def __call__(self, rows: Array) -> Array:
        """Return the product, (texts, outputs) float32, with `rows`, (texts, inputs) float32."""
        integers, largest = _rounded(rows)
        found: Array = torch._int_mm(torch.from_numpy(integers), self._matrix).numpy().astype(np.float32)
        found *= self._scales
        found *= largest
        return found


def _rounded(rows: Array) -> tuple[npt.NDArray[np.int8], Array]:
    """Return `rows` as integers of -LARGEST to LARGEST, and the largest size in each, (rows, 1)."""
    largest: Array = np.abs(rows).max(axis=1, keepdims=True, initial=SMALLEST)
    return np.rint(rows * (np.float32(LARGEST) / largest)).astype(np.int8), largest
