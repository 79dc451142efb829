"""The table of a soak, as it stands in docs/reliability.md."""

from collections.abc import Sequence
from pathlib import Path

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


def write_table(page: Path, lines: Sequence[str]) -> None:
    """Put `lines` between the two marks of a page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text("\n".join([before + BEGIN, *lines, END + after]), encoding="utf-8")
