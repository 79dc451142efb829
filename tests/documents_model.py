"""A checkpoint of a model of documents: untrained, and yet its documents end at different lengths."""

from pathlib import Path

import torch

from charrnn.config.loading import load_params
from charrnn.data.vocabulary import Vocabulary
from charrnn.training.checkpoint import checkpoint_of, save_checkpoint
from charrnn.training.state import new_state


def save_documents_model(path: Path, characters: str, *overrides: str, data_digest: str = "") -> Path:
    """Save a model that writes documents of `characters`."""
    known = "".join(sorted(set(characters)))
    vocabulary = Vocabulary(known, (1,) * len(known), tuple(range(len(known))))
    small = ["model.hidden_size=6", "model.embedding_size=4", "data.documents=lines"]
    params = load_params([], [*small, *overrides])
    torch.manual_seed(1)
    state = new_state(params.model, params.training, vocabulary.size, 1, torch.device("cpu"))
    save_checkpoint(path, checkpoint_of(state, params, vocabulary, data_digest, ""))
    return path
