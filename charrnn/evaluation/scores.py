"""The scores of a model on a split: every metric, and which positions and characters its loss comes from."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Vocabulary, character_name, printable
from charrnn.evaluation.losses import window_predictions
from charrnn.evaluation.metrics import all_metrics, window_sums
from charrnn.model.char_rnn import CharRNN


@dataclass(frozen=True)
class Scores:
    """How well a model predicts a split.

    Attributes:
        metrics: key -> value, of every entry of `charrnn.evaluation.metrics.METRICS`.
        characters: predictions made (count).
        loss_by_position: mean loss by place in the stream: `position` (characters from the start without context,
            bins that double), `loss`, `characters`.
        costliest_characters: the 20 characters with the largest summed loss: `character`, `name`, `count`,
            `mean_loss`, `share_of_loss`.
        baselines: name -> mean loss of a simpler model on the same split (nats per character); empty where none was
            asked for.
    """

    metrics: dict[str, float]
    characters: int
    loss_by_position: pd.DataFrame
    costliest_characters: pd.DataFrame
    baselines: dict[str, float] = field(default_factory=dict)

    @property
    def loss(self) -> float:
        """Mean loss (nats per character)."""
        return self.metrics["loss"]


def evaluate(model: CharRNN, streams: Streams, vocabulary: Vocabulary) -> Scores:
    """Return the scores of `model`, which is on the device of `streams`, on all of `streams`."""
    sums: dict[str, float] = defaultdict(float)
    cost = np.zeros(vocabulary.size)
    count = np.zeros(vocabulary.size, dtype=np.int64)
    step_losses: list[npt.NDArray[np.float64]] = []
    for window in window_predictions(model, streams):
        for key, total in window_sums(window).items():
            sums[key] += total
        ids = window.targets.flatten().cpu().numpy()
        cost += np.bincount(ids, weights=window.losses.flatten().cpu().numpy(), minlength=vocabulary.size)
        count += np.bincount(ids, minlength=vocabulary.size)
        step_losses.append(window.losses.mean(dim=1, dtype=torch.float64).cpu().numpy())
    return Scores(
        metrics=all_metrics(sums, streams.characters),
        characters=streams.characters,
        loss_by_position=_loss_by_position(np.concatenate(step_losses), streams.batch_size),
        costliest_characters=_costliest_characters(cost, count, vocabulary),
    )


def _loss_by_position(step_losses: npt.NDArray[np.float64], batch_size: int) -> pd.DataFrame:
    """Return the table of the losses at each step of the streams, [stream_length], in bins that double."""
    length = len(step_losses)
    edges = [0, *(2**power for power in range(length.bit_length()) if 2**power < length), length]
    spans = list(pairwise(edges))
    return pd.DataFrame(
        {
            "position": [f"{start}-{end - 1}" for start, end in spans],
            "loss": [float(step_losses[start:end].mean()) for start, end in spans],
            "characters": [(end - start) * batch_size for start, end in spans],
        }
    )


def _costliest_characters(
    cost: npt.NDArray[np.float64], count: npt.NDArray[np.int64], vocabulary: Vocabulary, most: int = 20
) -> pd.DataFrame:
    """Return the table of the ids with the largest summed loss `cost`, [vocabulary_size], of `count` occurrences."""
    worst = [int(index) for index in np.argsort(-cost, kind="stable")[:most] if count[index]]
    names = [vocabulary.characters[index] if index != vocabulary.padding_id else "" for index in worst]
    return pd.DataFrame(
        {
            "character": [printable(name) if name else "(padding)" for name in names],
            "name": [character_name(name) if name else "PADDING" for name in names],
            "count": count[worst],
            "mean_loss": cost[worst] / count[worst],
            # The sum is 0 when every prediction is certain and right.
            "share_of_loss": cost[worst] / (cost.sum() or 1.0),
        }
    )
