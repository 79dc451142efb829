"""Positions in a text, and numbers of its documents: as small as they can be, for there may be tens of millions."""

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.signedinteger]
"""Positions in ids, or numbers of pieces or documents: int32 or int64."""


def position_dtype(most: int) -> np.dtype[np.signedinteger]:
    """Return int32 where it holds every number up to `most`, else int64."""
    return np.dtype(np.int32 if most <= np.iinfo(np.int32).max else np.int64)
