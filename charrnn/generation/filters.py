"""The filters of sampling: which characters are not drawn at all.

A filter is one entry of FILTERS: the name of its option in SamplingOptions and the function that applies it. Nothing
else names one.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from charrnn.config.sampling_options import SamplingOptions

Floats = npt.NDArray[np.float64]
RelativeProbabilities = npt.NDArray[np.float64]
"""(texts, characters): each probability divided by that of the text's likeliest character, which thus has 1."""
Filter = Callable[[RelativeProbabilities, Floats], npt.NDArray[np.bool_]]
"""Takes relative probabilities, the likeliest first, and the option's value for each text, (texts, 1); returns which to
remove, (texts, characters), never the likeliest. A text without the option has NaN: each comparison with it is false,
so that nothing is removed."""


def _top_k(probabilities: RelativeProbabilities, k: Floats) -> npt.NDArray[np.bool_]:
    """All but the k likeliest (Fan et al. 2018, https://arxiv.org/abs/1805.04833)."""
    removed: npt.NDArray[np.bool_] = np.arange(probabilities.shape[1]) >= k
    return removed


def _top_p(probabilities: RelativeProbabilities, p: Floats) -> npt.NDArray[np.bool_]:
    """All but the fewest that together have probability p (Holtzman et al. 2020, https://arxiv.org/abs/1904.09751)."""
    likelier = probabilities.cumsum(axis=1) - probabilities
    removed: npt.NDArray[np.bool_] = likelier >= p * probabilities.sum(axis=1, keepdims=True)
    return removed


def _min_p(probabilities: RelativeProbabilities, p: Floats) -> npt.NDArray[np.bool_]:
    """All less probable than p times the likeliest (min-p; Nguyen et al. 2024, https://arxiv.org/abs/2407.01082)."""
    removed: npt.NDArray[np.bool_] = probabilities < p
    return removed


FILTERS: dict[str, Filter] = {"top_k": _top_k, "top_p": _top_p, "min_p": _min_p}
"""By name, in the order in which they are applied: each sees what those before it have left."""


class Filters:
    """Applies the filters that the options of some texts turn on."""

    def __init__(self, options: Sequence[SamplingOptions]) -> None:
        """Take the values of the filters from the options of each text."""
        values = {name: [getattr(one, name) for one in options] for name in FILTERS}
        self._on = [
            (FILTERS[name], np.array(column, dtype=np.float64)[:, None])  # None becomes NaN
            for name, column in values.items()
            if any(value is not None for value in column)
        ]

    def apply(self, logits: Floats, probabilities: RelativeProbabilities) -> None:
        """Set the relative probabilities of the characters that are not drawn to 0, in place.

        Args:
            logits: (texts, characters); where probabilities are equal, these still order the characters.
            probabilities: (texts, characters).
        """
        if not self._on:
            return
        # Equal logits stay in the order of their ids, so that top_k = 1 draws what temperature 0 takes.
        order = np.argsort(-logits, axis=1, kind="stable")
        ordered = np.take_along_axis(probabilities, order, axis=1)
        for removed, value in self._on:
            ordered[removed(ordered, value)] = 0
        np.put_along_axis(probabilities, order, ordered, axis=1)
