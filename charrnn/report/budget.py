"""As much of a measurement as the clock allows. Knows nothing of what is measured."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

GROWTH = 4
"""Each size is so many times the one before: all the smaller ones together cost a third of the largest."""


def largest(make: Callable[[int], T], most: int, fewest: int, until: float) -> T:
    """Return what `make` returns for the largest size that can be afforded, after trying smaller ones.

    How fast something is on a machine that others use is known only while it is done: each size is tried where it would
    be done in time, as far as those before it tell. After one, all of its time is taken to grow with the size; after
    two, what they have in common is taken to stay.

    Args:
        make: size -> result, in a time that grows no faster than the size.
        most: the largest size.
        fewest: no smaller size is tried; the first, below GROWTH times this, is whatever the time.
        until: when it should be done, on the clock of `time.monotonic` (s).
    """
    sizes = [max(1, most)]
    while sizes[0] >= GROWTH * fewest:
        sizes.insert(0, sizes[0] // GROWTH)
    before: float | None = None
    for size in sizes:
        began = time.monotonic()
        made = make(size)
        now = time.monotonic()
        took = now - began
        next_takes = GROWTH * took if before is None else took + GROWTH * max(0.0, took - before)
        if now + next_takes > until:
            break
        before = took
    return made
