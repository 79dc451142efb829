"""Hashes of documents, many at once: equal documents have equal hashes, others practically never.

The hash is a polynomial of the code points modulo 2**64 (Karp & Rabin 1987, IBM J. Res. Dev. 31(2)), finished by the
mixer of splitmix64 (Steele, Lea & Flood 2014, OOPSLA). It is no defence against documents that were made to collide.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from charrnn.data.vocabulary import CodePoints, code_points

Hashes = npt.NDArray[np.uint64]

# An odd number has an inverse modulo 2**64.
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 2**64)
# Characters hashed at once: what is computed with them (8 bytes each) stays in the processor's cache, however long a
# document is.
BLOCK = 2**14


def hash_documents(documents: list[str]) -> Hashes:
    """Return the hash of each of `documents`: (documents,)."""
    lengths = np.fromiter(map(len, documents), dtype=np.int64, count=len(documents))
    ends = np.cumsum(lengths + 1) - 1
    return hash_batch("\n".join(documents) + "\n" if documents else "", ends)


def hash_batch(text: str, ends: npt.NDArray[np.int64]) -> Hashes:
    """Return the hashes of the documents in `text`, each followed by one character that is no part of it.

    Args:
        text: the documents.
        ends: (documents,) the positions of these characters; the last is that of the last character of `text`.
    """
    return hash_code_points(code_points(text), ends)


def hash_code_points(points: CodePoints, ends: npt.NDArray[np.int64], block: int = BLOCK) -> Hashes:
    """Return the hashes of the documents in `points`, (characters,); see `hash_batch`.

    Args:
        points: the documents.
        ends: (documents,) as in `hash_batch`.
        block: how many characters are hashed at once; the hashes do not depend on it.
    """
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)[: len(ends)]
    sums = np.zeros(len(ends), dtype=np.uint64)
    powers, inverses = _powers(_BASE, block), _powers(_INVERSE, block)
    memory = np.empty(min(block, len(points)), dtype=np.uint64)
    begins = np.arange(0, len(points), block)
    # The documents that have a character in each block, or the one after them.
    firsts, stops = np.searchsorted(ends, begins), np.searchsorted(starts, begins + block)
    for begin, first, stop in zip(begins.tolist(), firsts.tolist(), stops.tolist(), strict=True):
        terms = memory[: len(points) - begin]
        terms[:] = points[begin : begin + block]
        terms += np.uint64(1)
        terms *= powers[: len(terms)]
        inside = ends[first:stop] - begin
        terms[inside if inside[-1] < len(terms) else inside[:-1]] = 0
        # A document has at least the zero after it, so that no sum is empty.
        bounds = starts[first:stop] - begin
        before, bounds[0] = max(-int(bounds[0]), 0), max(int(bounds[0]), 0)
        parts = np.add.reduceat(terms, bounds)
        parts *= inverses[bounds]
        if before:  # the first document began in an earlier block
            parts[:1] *= np.uint64(pow(_BASE, before, 2**64))
        sums[first:stop] += parts
    return mix(sums + (ends - starts).astype(np.uint64))


def mix(values: Hashes, seed: int = 0) -> Hashes:
    """Return a random-looking function of each of `values`, another one for each `seed`."""
    mixed = values + np.uint64((seed * 0xD1B54A32D192ED03) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


@cache
def _powers(base: int, count: int) -> Hashes:
    """Return base**0, base**1, ... modulo 2**64: (count,)."""
    powers = np.full(count, base, dtype=np.uint64)
    powers[:1] = 1
    return np.multiply.accumulate(powers)
