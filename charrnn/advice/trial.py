"""Reads, encodes and splits a text with parameters that were chosen for it, as training will: what it would refuse."""

from collections.abc import Sequence
from typing import Any

import torch

from charrnn.config.loading import merge, validate_params
from charrnn.config.overlay import Choice
from charrnn.config.schema import Params
from charrnn.data.dataset import Dataset
from charrnn.data.layout import lay_out, lay_out_evaluation
from charrnn.data.splits import check_length
from charrnn.errors import CorpusError
from charrnn.wording import counted


def with_choices(params: Params, choices: Sequence[Choice]) -> Params:
    """Return `params` as an overlay of `choices` changes them."""
    values: dict[str, Any] = params.model_dump(mode="json")
    for choice in choices:
        section, _, name = choice.key.partition(".")
        values = merge(values, {section: {name: choice.value}})
    return validate_params(values)


def check_splits(dataset: Dataset, params: Params, name: str) -> None:
    """Divide the text and lay out each split as training and evaluation do.

    Args:
        dataset: the text, encoded as `params` say.
        params: for it.
        name: what messages call the text.

    Raises:
        CorpusError: training would refuse the text with these parameters.
    """
    try:
        splits = dataset.splits(params.splits)
        check_length(splits, params.training)
        seq_length, cpu = params.training.seq_length, torch.device("cpu")
        lay_out(splits, "train", params.training.batch_size, seq_length, cpu)
        for split in ("val", "test"):
            if splits.sizes[split]:
                lay_out_evaluation(splits, split, params.evaluation, seq_length, cpu)
    except CorpusError as error:
        count = f"{dataset.characters:,} characters"
        if dataset.documents is not None:
            count = f"{counted(dataset.documents, 'document')} (data.documents = {params.data.documents!r})"
        raise CorpusError(f"{name}: its {count} cannot be divided into three splits: {error}") from None
