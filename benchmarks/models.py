"""Untrained models."""

import string

import torch

from charrnn.config.schema import ModelParams
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.char_rnn import CharRNN

CHARACTERS = "".join(sorted("\n !$&',-.3:;?" + string.ascii_letters))


def vocabulary() -> Vocabulary:
    """The 65 characters of tinyshakespeare."""
    return Vocabulary(CHARACTERS, (1,) * len(CHARACTERS), tuple(range(len(CHARACTERS))))


def untrained(hidden_size: int, num_layers: int) -> CharRNN:
    torch.manual_seed(1)
    params = ModelParams(hidden_size=hidden_size, num_layers=num_layers, embedding_size=None)
    return CharRNN(params, vocabulary().size)
