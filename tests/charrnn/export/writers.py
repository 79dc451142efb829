"""Untrained models to export."""

import torch

from charrnn.config.loading import load_params
from charrnn.data.vocabulary import Vocabulary
from charrnn.generation.writer import Writer
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN

CHARACTERS = "\n aàbcé\u4e16\U0001f600"
SHAPES = {
    "one layer": [],
    "two layers with norms": ["model.num_layers=2", "model.layer_norm=true"],
    "one-hot": ["model.embedding_size=null"],
    "tied": ["model.embedding_size=12", "model.tie_weights=true"],
    "documents": ["data.documents=files"],
    "lines": ["data.documents=lines"],
}
KINDS = [(cell, shape) for cell in CELLS for shape in SHAPES]
"""Every cell in every shape."""


def untrained(*overrides: str, characters: str = CHARACTERS) -> Writer:
    """Return a small model with weights that are large enough to make its predictions differ."""
    params = load_params([], ["model.hidden_size=12", "model.embedding_size=5", *overrides])
    if params.data.documents == "lines":
        characters = characters.replace("\n", "")
    known = "".join(sorted(characters))
    vocabulary = Vocabulary(known, (1,) * len(known), tuple(range(len(known))))
    torch.manual_seed(1)
    network = CharRNN(params.model, vocabulary.size).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.mul_(3)
    return Writer(network, vocabulary, params.data)


def untrained_kind(cell: str, shape: str) -> Writer:
    """Return the model of one of KINDS."""
    return untrained(f"model.cell={cell}", *SHAPES[shape])
