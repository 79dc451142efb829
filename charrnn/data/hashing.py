"""Hashes of documents, many at once: equal documents have equal hashes, others practically never.

The hash is a polynomial of the code points modulo 2**64 (Karp & Rabin 1987, IBM J. Res. Dev. 31(2)), finished by the
mixer of splitmix64 (Steele, Lea & Flood 2014, OOPSLA). It is no defence against documents that were made to collide.
"""

import numpy as np
import numpy.typing as npt

from charrnn.data.vocabulary import code_points

Hashes = npt.NDArray[np.uint64]

# An odd number has an inverse modulo 2**64.
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 2**64)


def hash_documents(documents: list[str]) -> Hashes:
    """Return the hash of each of `documents`: (documents,)."""
    lengths = np.fromiter(map(len, documents), dtype=np.int64, count=len(documents))
    ends = np.cumsum(lengths + 1) - 1
    return hash_batch("\n".join(documents) + "\n", ends)


def hash_batch(text: str, ends: npt.NDArray[np.int64]) -> Hashes:
    """Return the hashes of the documents in `text`, each followed by one character that is no part of it.

    Args:
        text: the documents.
        ends: (documents,) the positions of these characters.
    """
    points = code_points(text)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    powers = _powers(_BASE, len(points))
    terms = points.astype(np.uint64)
    terms += np.uint64(1)
    terms *= powers
    terms[ends] = 0
    # A document has at least the zero after it, so that no sum is empty.
    sums = np.add.reduceat(terms, starts) if len(ends) else terms[:0]
    return mix(sums * _powers(_INVERSE, len(points) + 1)[starts] + (ends - starts).astype(np.uint64))


def mix(values: Hashes, seed: int = 0) -> Hashes:
    """Return a random-looking function of each of `values`, another one for each `seed`."""
    mixed = values + np.uint64((seed * 0xD1B54A32D192ED03) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


_known_powers: dict[int, Hashes] = {}


def _powers(base: int, count: int) -> Hashes:
    """Return base**0, base**1, ... modulo 2**64: at least `count` are made and kept, `count` returned."""
    known = _known_powers.get(base)
    if known is None or len(known) < count:
        known = np.full(max(count, 2 * len(known) if known is not None else 0), base, dtype=np.uint64)
        known[:1] = 1
        known = _known_powers[base] = np.multiply.accumulate(known)
    return known[:count]
