"""What a model has learnt of each character: its vector in two dimensions, and the table of its vocabulary."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.data.vocabulary import Vocabulary
from charrnn.model.char_rnn import CharRNN, character_axes

MOST = 500
"""Characters that are shown, the commonest."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Characters in the plane in which their vectors differ most.

    Attributes:
        ids: (characters,) the commonest ones that occur in the text, ascending.
        points: (characters, 2) float32, each axis from -1 to 1.
        shares: of the vectors' variance that each of the two axes has (0 to 1).
        source: what the vectors are, in words.
    """

    ids: npt.NDArray[np.int64]
    points: npt.NDArray[np.float32]
    shares: tuple[float, float]
    source: str


def plane(network: CharRNN, vocabulary: Vocabulary) -> Plane:
    """Return the principal components of the vectors that the first layer of `network` reads for each character.

    Without an embedding these are the columns of the first layer's input weights.
    """
    if network.embedding is not None:
        vectors, source = network.embedding.weight.detach().numpy(), "learnt vectors"
    else:
        # Of the weights with an entry for each character, those that come first are the first layer's.
        name, axis = next(iter(character_axes(network.params).items()))
        weight = network.get_parameter(name).detach().numpy()
        vectors, source = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1), "first layer's input weights"
    counts = np.array(vocabulary.counts)
    ids = np.sort(np.argsort(-counts, kind="stable")[: min(MOST, max(1, int((counts > 0).sum())))])
    centred = vectors[ids] - vectors[ids].mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    points = np.zeros((len(ids), 2), dtype=np.float32)
    kept = min(2, len(sizes))
    points[:, :kept] = left[:, :kept] * sizes[:kept]
    variances = np.append(np.square(sizes), [0.0, 0.0])
    total = float(variances.sum()) or 1.0
    spans = np.ptp(points, axis=0)
    points = (points - points.min(axis=0)) * (2 / np.where(spans > 0, spans, np.inf)) - (spans > 0)
    return Plane(ids, points, (float(variances[0]) / total, float(variances[1]) / total), source)
