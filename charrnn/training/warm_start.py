"""Warm start: the weights of a trained model for a fresh one that knows more characters.

What belongs to a character moves to the id it has now; what belongs to none is taken over as it is. Knows neither
how the trained model was found nor how training goes on.
"""

from typing import Any

import torch
from torch import Tensor

from charrnn.config.schema import ModelParams
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError
from charrnn.model.char_rnn import CharRNN, character_axes
from charrnn.training.checkpoint import Checkpoint


def warm_start(checkpoint: Checkpoint, vocabulary: Vocabulary, fresh: CharRNN) -> dict[str, Tensor]:
    """Return the weights of `checkpoint`'s best model, with those of `fresh` for the characters it lacks.

    Args:
        checkpoint: of the trained model.
        vocabulary: of `fresh`; has every character of the trained model's.
        fresh: a model of the same shape, on any device; not changed.

    Returns:
        What `fresh.load_state_dict` takes, on the CPU.

    Raises:
        CheckpointError: the two are of different shapes, or the checkpoint's weights do not fit its own parameters.
        VocabularyError: names the characters of the trained model that `vocabulary` lacks.
    """
    before, now = _shape(checkpoint.params.model), _shape(fresh.params)
    if before != now:
        name = next(name for name in before if before[name] != now[name])
        raise CheckpointError(
            f"the trained model is of another shape: model.{name} is {before[name]} there and {now[name]} here"
        )
    ids = torch.tensor([*vocabulary.encode(checkpoint.vocabulary.characters).tolist(), vocabulary.stop_id])
    axes = character_axes(fresh.params)
    weights = {name: tensor.cpu() for name, tensor in fresh.state_dict().items()}
    for name, trained in checkpoint.model().state_dict().items():
        weights[name] = weights[name].index_copy(axes[name], ids, trained) if name in axes else trained
    return weights


def _shape(params: ModelParams) -> dict[str, Any]:
    """Return what decides which weights there are."""
    return params.model_dump(exclude={"input_dropout", "dropout", "forget_bias"})
