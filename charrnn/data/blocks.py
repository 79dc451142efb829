"""Blocks of a text that are found again in another text, wherever they stand there. Knows nothing of splits.

Where a block ends, the characters before its end decide (content-defined chunking: Muthitacharoen, Chen & Mazières
2001, A Low-bandwidth Network File System, SOSP): text that is added or changed changes the blocks it touches, no
others.
"""

import numpy as np

from charrnn.data.hashing import BASE, Hashes, mix
from charrnn.data.positions import Positions
from charrnn.data.vocabulary import NOTHING, Ids, Vocabulary, code_points

WINDOW = 16
"""Characters that decide whether a block ends after them; a power of two."""
MEAN_SIZE = 128
"""Characters that a block has on average; a power of two."""
_PIECE = 2**17  # characters that are hashed at once


def content_blocks(ids: Ids, vocabulary: Vocabulary, piece: int = _PIECE) -> tuple[Positions, Hashes]:
    """Cut a text into blocks.

    Args:
        ids: (characters,) of the text, without stop symbols.
        vocabulary: what the ids stand for; the blocks depend on the characters alone.
        piece: characters that are read at once, at least WINDOW; the blocks do not depend on it.

    Returns:
        (blocks,) the position just past each block, and (blocks,) hashes, equal for equal blocks. What follows the last
        block end is in none: more text would continue it. A text in which no block ends is one block.
    """
    values = np.append(code_points(vocabulary.characters), 0).astype(np.uint64) + np.uint64(1)
    ends, sums = [NOTHING], [np.zeros(1, dtype=np.uint64)]
    total = np.uint64(0)
    for start in range(0, len(ids), piece):
        first = max(0, start - WINDOW + 1)
        windows = values[ids[first : start + piece]]
        reach = 1
        while reach < WINDOW:  # a polynomial of the last `reach` characters, doubled
            windows[reach:] += windows[:-reach] * np.uint64(pow(BASE, reach, 2**64))
            reach *= 2
        mixed = mix(windows)[start - first :]
        until = np.cumsum(mixed, dtype=np.uint64) + total
        found = np.flatnonzero(mixed % np.uint64(MEAN_SIZE) == 0)
        ends.append(found + (start + 1))
        sums.append(until[found])
        total = until[-1]
    if sum(map(len, ends)) == 0:
        ends, sums = [np.array([len(ids)], dtype=np.int64)], [np.array([0, total], dtype=np.uint64)]
    # The sum of its windows, in whatever order, tells a block: each window overlaps the next.
    until = np.concatenate(sums)
    return np.concatenate(ends), mix(until[1:] - until[:-1])
