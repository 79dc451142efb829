"""Which passages of a text are shown: one that is typical, and those that cost most and least."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.report.reading import CONTEXT, Reading

LONG, SHORT = 2000, 200
"""Symbols of the typical passage, and of the others, at most."""
COUNT = 3
"""Passages that cost most, and so many that cost least."""
_STRIDE = 10
_SHORTEST = 3


@dataclass(frozen=True)
class Passages:
    """Places in a text.

    Attributes:
        typical: the passage of LONG symbols whose mean surprisal is nearest to that of the text.
        costliest: the passages with the highest mean surprisal, the highest first; none overlap.
        cheapest: those with the lowest, the lowest first.
    """

    typical: slice
    costliest: list[slice]
    cheapest: list[slice]


def choose(reading: Reading) -> Passages:
    """Return the passages to show; those of a model of documents, typical ones apart, are documents."""
    known = np.isfinite(reading.bits)
    sums = np.append(0.0, np.cumsum(np.where(known, reading.bits, 0.0)))
    counts = np.append(0, np.cumsum(known))

    def means(starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        cost: npt.NDArray[np.float64] = (sums[ends] - sums[starts]) / np.maximum(counts[ends] - counts[starts], 1)
        return cost

    length, held_out = len(reading.bits), reading.held_out
    first = int(held_out.stops[0])  # nothing is known of the stop symbol at the beginning
    begins = np.array([first, *(at + 1 for at, c in enumerate(held_out.text) if c == "\n")], dtype=np.int64)
    fitting = begins[begins <= length - LONG]
    starts = fitting if len(fitting) else begins[:1]
    ends = np.minimum(starts + LONG, length)
    typical = int(np.abs(means(starts, ends) - reading.bits_per_character).argmin())
    if held_out.stops.any():
        spans = [(start + 1, min(end, start + 1 + SHORT)) for start, end in held_out.spans()]
    else:
        after = CONTEXT if length > 2 * CONTEXT else 1
        spans = [(start, start + SHORT) for start in range(after, length - SHORT + 1, _STRIDE)] or [(1, length)]
    short = np.array([span for span in spans if span[1] - span[0] >= _SHORTEST] or [(0, length)], dtype=np.int64)
    order = np.argsort(means(short[:, 0], short[:, 1]), kind="stable")
    return Passages(slice(int(starts[typical]), int(ends[typical])), _apart(short[order[::-1]]), _apart(short[order]))


def _apart(spans: npt.NDArray[np.int64]) -> list[slice]:
    """Return the first COUNT of `spans` that do not overlap."""
    chosen: list[slice] = []
    for start, end in spans.tolist():
        if all(end <= other.start or start >= other.stop for other in chosen):
            chosen.append(slice(start, end))
        if len(chosen) == COUNT:
            break
    return chosen
