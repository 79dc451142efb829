"""How much is injected, and what came of it: the budget, the counts, and the table `make faults` ends with."""

import os
from dataclasses import dataclass, fields

FACTOR = int(os.environ.get("CHARRNN_FAULTS", "1"))
"""How many times the default budget of faults is injected."""


@dataclass
class Count:
    """What is known of one kind of fault.

    Attributes:
        injected: faults that took place.
        survived: those after which everything was as if nothing had happened.
        rows: figures, tensors and texts compared with those of an undisturbed twin.
        differences: those that were not equal.
    """

    injected: int = 0
    survived: int = 0
    rows: int = 0
    differences: int = 0


LEDGER: dict[str, Count] = {}


def record(kind: str, *, injected: int = 1, survived: int = 0, rows: int = 0, differences: int = 0) -> None:
    """Add to the counts of `kind`."""
    count = LEDGER.setdefault(kind, Count())
    count.injected += injected
    count.survived += survived
    count.rows += rows
    count.differences += differences


def table() -> list[str]:
    """Return the counts as lines of text."""
    names = [item.name for item in fields(Count)]
    width = max([len(kind) for kind in LEDGER], default=0) + 2
    head = f"{'kind of fault':<{width}}" + "".join(f"{name:>13}" for name in names)
    rows = [
        f"{kind:<{width}}" + "".join(f"{getattr(count, name):>13,}" for name in names)
        for kind, count in sorted(LEDGER.items())
    ]
    return [head, *rows]
