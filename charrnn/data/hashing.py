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
# document is; and they are so many that threads seldom wait for each other to enter the interpreter.
BLOCK = 2**17


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
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + 1
    powers, inverses = _powers(_BASE, block), _powers(_INVERSE, block)
    memory = np.empty(min(block, len(points)), dtype=np.uint64)
    starts_in, ends_in = starts % block, ends % block
    sums = np.empty(len(ends), dtype=np.uint64)
    begins = np.arange(0, len(points) + block, block)
    # How many documents start, and how many end, before each block.
    started, ended = np.searchsorted(starts, begins).tolist(), np.searchsorted(ends, begins).tolist()
    for number, begin in enumerate(begins[:-1].tolist()):
        first, stop = started[number], started[number + 1]
        shifted = points[begin : begin + block] + 1
        shifted[ends_in[ended[number] : ended[number + 1]]] = 0
        terms = np.multiply(shifted, powers[: len(shifted)], out=memory[: len(shifted)])
        before = int(starts_in[first]) if stop > first else len(shifted)
        if before:  # of a document that started in an earlier block
            moved = np.uint64(pow(_BASE, begin - int(starts[first - 1]), 2**64))
            sums[first - 1 : first] += terms[:before].sum(keepdims=True) * moved
        if stop > first:
            found = np.add.reduceat(terms, starts_in[first:stop])
            np.multiply(found, inverses[starts_in[first:stop]], out=sums[first:stop])
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
