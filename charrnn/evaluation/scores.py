"""The scores of a model on a split: every metric, and which positions and characters its loss comes from."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from charrnn.data.vocabulary import Vocabulary, character_name, printable
from charrnn.data.windows import Windows
from charrnn.evaluation.losses import window_predictions
from charrnn.evaluation.metrics import all_metrics, window_sums
from charrnn.model.char_rnn import CharRNN


@dataclass(frozen=True)
class Scores:
    """How well a model predicts a split.

    Attributes:
        metrics: key -> value, of every entry of `charrnn.evaluation.metrics.METRICS`.
        characters: predictions made (count).
        loss_by_position: mean loss by place in the stream or document: `position` (characters from the start without
            context, bins that double), `loss`, `characters`.
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


def evaluate(model: CharRNN, streams: Windows, vocabulary: Vocabulary) -> Scores:
    """Return the scores of `model`, which is on the device of `streams`, on all of `streams`."""
    sums: dict[str, float] = defaultdict(float)
    cost = np.zeros(vocabulary.size)
    count = np.zeros(vocabulary.size, dtype=np.int64)
    positions = _Positions()
    for window in window_predictions(model, streams):
        for key, total in window_sums(window).items():
            sums[key] += total
        ids, losses = window.targets.cpu().numpy(), window.losses.cpu().numpy()
        cost += np.bincount(ids, weights=losses, minlength=vocabulary.size)
        count += np.bincount(ids, minlength=vocabulary.size)
        positions.add(window.contexts, losses)
    return Scores(
        metrics=all_metrics(sums, streams.characters),
        characters=streams.characters,
        loss_by_position=positions.table(),
        costliest_characters=_costliest_characters(cost, count, vocabulary),
    )


class _Positions:
    """Losses by the number of characters since the state was zero, in bins that double: 0, 1, 2-3, 4-7, ..."""

    def __init__(self) -> None:
        self._sums = np.zeros(64)
        self._counts = np.zeros(64, dtype=np.int64)
        self._last = 0

    def add(self, contexts: npt.NDArray[np.int64], losses: npt.NDArray[np.float32]) -> None:
        bins = np.frexp(contexts)[1]  # 0 for 0, n for 2**(n-1) to 2**n - 1
        self._sums += np.bincount(bins, weights=losses, minlength=64)
        self._counts += np.bincount(bins, minlength=64)
        self._last = max(self._last, int(contexts.max()))

    def table(self) -> pd.DataFrame:
        used = np.flatnonzero(self._counts).tolist()
        starts = [2 ** (number - 1) if number else 0 for number in used]
        ends = [min(2**number - 1, self._last) for number in used]
        return pd.DataFrame(
            {
                "position": [f"{start}-{end}" for start, end in zip(starts, ends, strict=True)],
                "loss": self._sums[used] / self._counts[used],
                "characters": self._counts[used],
            }
        )


def _costliest_characters(
    cost: npt.NDArray[np.float64], count: npt.NDArray[np.int64], vocabulary: Vocabulary, most: int = 20
) -> pd.DataFrame:
    """Return the table of the ids with the largest summed loss `cost`, [vocabulary_size], of `count` occurrences."""
    worst = [int(index) for index in np.argsort(-cost, kind="stable")[:most] if count[index]]
    names = [vocabulary.characters[index] if index != vocabulary.stop_id else "" for index in worst]
    return pd.DataFrame(
        {
            "character": [printable(name) if name else "(stop)" for name in names],
            "name": [character_name(name) if name else "STOP SYMBOL" for name in names],
            "count": count[worst],
            "mean_loss": cost[worst] / count[worst],
            # The sum is 0 when every prediction is certain and right.
            "share_of_loss": cost[worst] / (cost.sum() or 1.0),
        }
    )
