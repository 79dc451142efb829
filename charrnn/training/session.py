"""A training that can begin: the windows of the splits, and the state before the first step."""

from dataclasses import dataclass

import torch

from charrnn.config.schema import Params
from charrnn.data.dataset import Dataset
from charrnn.data.layout import lay_out, lay_out_evaluation
from charrnn.data.windows import Windows
from charrnn.training.state import TrainState, new_state


@dataclass(frozen=True)
class Session:
    """What the training loop works on.

    Attributes:
        state: changed by training.
        streams: the training split.
        val_streams: the validation split; None for none.
    """

    state: TrainState
    streams: Windows
    val_streams: Windows | None


def new_session(dataset: Dataset, params: Params, device: torch.device) -> Session:
    """Return a session on `dataset`, before the first step.

    Args:
        dataset: the encoded text.
        params: splits, model, training and evaluation sections are used.
        device: where to train.

    Raises:
        CorpusError: the text is too short to be split as asked, or its ids are damaged.
        FileError: they cannot be read.
        VocabularyError: the vocabulary is damaged.
    """
    vocabulary, splits, training = dataset.vocabulary(), dataset.splits(params.splits), params.training
    padding = vocabulary.stop_id if training.padding else None
    streams = lay_out(
        splits, "train", training.batch_size, training.seq_length, device, stop_id=padding, seed=training.seed
    )
    val_streams = None
    if splits.sizes["val"]:
        evaluation = params.evaluation
        val_streams = lay_out_evaluation(
            splits, "val", evaluation, training.seq_length, device, most=evaluation.max_characters
        )
    state = new_state(params.model, training, vocabulary.size, streams.batch_size, device)
    return Session(state, streams, val_streams)
