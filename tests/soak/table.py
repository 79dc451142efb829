"""The table of a soak, as it stands in docs/reliability.md."""

from collections.abc import Sequence

from tests.soak.checks import Outcome
from tests.soak.record import Ledger

BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"


def table(ledger: Ledger, found: Sequence[Outcome], machine: str) -> list[str]:
    """Return the lines of the table: what was injected, and what came of each promise."""
    faults = ", ".join(f"{kind} {count}" for kind, count in ledger.faults.items())
    left_out = [f"Left out: {kind} ({why})." for kind, why in ledger.left_out.items()]
    rows = [f"| {one.promise} | {one.found} | {'not kept' if one.wrong else 'kept'} |" for one in found]
    head = ["| promise | found | |", "|---|---|---|"]
    return [f"{machine}. Injected: {faults}.", *left_out, "", *head, *rows]
