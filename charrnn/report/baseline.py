"""What the n-gram model, counted on the training text, thinks of a held-out text."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.data.splits import SplitIds
from charrnn.evaluation.held_out import HeldOut
from charrnn.evaluation.ngram import NgramModel

ORDER = 5
_CELLS = 1 << 22  # probabilities that are in memory together


@dataclass(frozen=True, eq=False)
class Baseline:
    """The n-gram model on a held-out text.

    Attributes:
        model: the n-gram model.
        counted: characters that it was counted on, the last of the training text (count).
        probabilities: (symbols,) float64 of what stands at each place of the held-out text.
    """

    model: NgramModel
    counted: int
    probabilities: npt.NDArray[np.float64]

    @property
    def bits(self) -> npt.NDArray[np.float64]:
        """The surprisal of each symbol: (symbols,), in bits."""
        return -np.log2(self.probabilities)

    def likeliest(self, held_out: HeldOut, part: slice) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return the likeliest id at each place of `part`, (places,), and its probability."""
        ids, found = held_out.ids.astype(np.uint32), []
        step = max(1, _CELLS // self.model.vocabulary_size)
        for start in range(part.start, part.stop, step):
            stop = min(start + step, part.stop)
            begin = max(0, start - ORDER + 1)
            rows = self.model.distributions(ids[begin:stop])[start - begin :]
            best = rows.argmax(axis=1)
            found.append((best, rows[np.arange(len(best)), best]))
        chosen, probabilities = zip(*found, strict=True)
        return np.concatenate(chosen), np.concatenate(probabilities)


def count(train_ids: SplitIds, held_out: HeldOut, vocabulary_size: int, most: int) -> Baseline:
    """Return the n-gram model of the last `most` characters of `train_ids`, and what it thinks of `held_out`."""
    counted = train_ids[-most:]
    model = NgramModel(counted, vocabulary_size, ORDER)
    return Baseline(model, len(counted), model.probabilities(held_out.ids.astype(np.uint32)))
