"""Compares what a training state is made of: nested values with tensors in them."""

from typing import Any

import torch
from torch import Tensor


def equal(first: Any, second: Any) -> bool:
    """Whether two nested values hold the same tensors, numbers and texts, bit by bit."""
    if isinstance(first, Tensor):
        return isinstance(second, Tensor) and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)
