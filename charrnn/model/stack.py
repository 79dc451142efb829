"""Recurrent layers of PyTorch's as one module with all of them, for cuDNN; knows neither characters nor cells."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from charrnn.model.shapes import NoValues


def stacked(layers: Sequence[nn.RNNBase]) -> nn.RNNBase:
    """Return one module of several layers which shares the weights of `layers`, all of one kind and one size.

    Called so, cuDNN begins with a layer while the one below still reads: Appleyard et al. 2016, Optimizing Performance
    of Recurrent Neural Networks on GPUs, https://arxiv.org/abs/1604.01946. On a GPU, it wants the weights in one piece
    of memory, into which they are moved. Changes no random state.
    """
    first = layers[0]
    kind: type[Any] = type(first)  # LSTM, GRU or RNN, which take other arguments than their base
    with torch.device("meta"), NoValues():
        stack: nn.RNNBase = kind(first.input_size, first.hidden_size, len(layers))
    for number, layer in enumerate(layers):
        for name, weight in layer.named_parameters():
            setattr(stack, name.removesuffix("0") + str(number), weight)
    # Moves the weights, and notes which they are: else the first call would do both, wherever that is.
    stack._init_flat_weights()
    return stack
