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
BASE = 0x9E3779B97F4A7C15
INVERSE = pow(BASE, -1, 2**64)
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
    inverses = _kept_powers(INVERSE, block)
    # Of each document: the polynomial of all before its end, and what takes its start back to power 0.
    until, inverse = np.zeros(len(ends) + 1, dtype=np.uint64), np.empty(len(ends), dtype=np.uint64)
    sums = np.empty(min(block, len(points)) + 1, dtype=np.uint64)
    sums[0] = 0
    total = 0
    begins = np.arange(0, len(points) + block, block)
    # How many documents start, and how many end, before each block.
    started, ended = np.searchsorted(starts, begins).tolist(), np.searchsorted(ends, begins).tolist()
    for number, begin in enumerate(begins[:-1].tolist()):
        starting, ending = slice(started[number], started[number + 1]), slice(ended[number], ended[number + 1])
        shifted = points[begin : begin + block] + 1
        places = ends[ending] - begin
        shifted[places] = 0
        terms, step = _add_up(shifted, sums, block)
        power = pow(BASE, begin, 2**64)
        until[1:][ending] = sums[(places + 1) // step] * np.uint64(power) + np.uint64(total)
        inverse[starting] = inverses[starts[starting] - begin] * np.uint64(pow(INVERSE, begin, 2**64))
        total = (total + int(sums[terms]) * power) % 2**64
    return mix((until[1:] - until[:-1]) * inverse + (ends - starts).astype(np.uint64))


def _add_up(values: CodePoints, sums: Hashes, block: int) -> tuple[int, int]:
    """Write the polynomials of the first 1, 2, ... terms of `values` into `sums[1:]`.

    A term is a character, or two where these are bytes: a table has all that two can add. No two documents share one,
    as what ends a document adds nothing. There are at most `block` values: the powers of a block are computed once.

    Returns:
        How many terms there are, and the characters of a term.
    """
    if values.dtype != np.uint8:
        terms = np.multiply(values, _kept_powers(BASE, block)[: len(values)], out=sums[1 : len(values) + 1])
        np.cumsum(terms, out=terms)
        return len(values), 1
    pairs = np.append(values, np.uint8(0)) if len(values) % 2 else values
    terms = sums[1 : len(pairs) // 2 + 1]
    np.take(_of_pairs(), pairs.view("<u2"), out=terms, mode="clip")  # where none is out of range, "clip" is fastest
    np.multiply(terms, _kept_powers(BASE * BASE % 2**64, (block + 1) // 2)[: len(terms)], out=terms)
    np.cumsum(terms, out=terms)
    return len(terms), 2


def mix(values: Hashes, seed: int = 0) -> Hashes:
    """Return a random-looking function of each of `values`, another one for each `seed`."""
    mixed = values + np.uint64((seed * 0xD1B54A32D192ED03) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def powers(base: int, count: int) -> Hashes:
    """Return base**0, base**1, ... modulo 2**64: (count,)."""
    factors = np.full(count, base, dtype=np.uint64)
    factors[:1] = 1
    return np.multiply.accumulate(factors)


_kept_powers = cache(powers)


@cache
def _of_pairs() -> Hashes:
    """Return the polynomial of each two bytes, the first the lower one: (65536,)."""
    pairs = np.arange(2**16, dtype=np.uint64)
    return (pairs & np.uint64(0xFF)) + (pairs >> np.uint64(8)) * np.uint64(BASE)
