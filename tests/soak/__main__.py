"""`make soak`: an hour of nights in short on the stack of a team, with everything that goes wrong, and what came of it.

Ends with exit code 1 where a promise did not hold.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path

import tasks  # noqa: F401  the project's settings, before prefect reads its environment
from benchmarks.runner import machine, write_between
from charrnn.config.loading import PROJECT
from tests.soak.checks import outcomes
from tests.soak.life import live
from tests.soak.record import Ledger
from tests.soak.table import BEGIN, END, table

PAGE = PROJECT / "docs" / "reliability.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long it goes on")
    parser.add_argument("--trainings", type=int, default=200, help="how many have to finish, else it goes on longer")
    parser.add_argument(
        "--output", type=Path, default=PROJECT / "build" / "soak.json", help="everything seen, as JSON; logs beside it"
    )
    parser.add_argument("--page", action="store_true", help=f"write the table into {PAGE.relative_to(PROJECT)}")
    given = parser.parse_args()
    ledger = Ledger(asked=given.trainings)
    try:
        with tempfile.TemporaryDirectory(prefix="charrnn-soak-", ignore_cleanup_errors=True) as folder:
            live(Path(folder) / "disk", given.minutes, ledger, given.output.with_suffix(""))
    finally:  # also of one that was interrupted
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(json.dumps(dataclasses.asdict(ledger), indent=1) + "\n")
    found = outcomes(ledger)
    measured_on = [f"{datetime.now():%Y-%m-%d}", *(f"{key} {value}" for key, value in machine().items())]
    lines = table(ledger, found, ", ".join(measured_on))
    print("\n".join(lines))
    if given.page:
        write_between(PAGE, BEGIN, END, "\n".join(lines))
    for outcome in found:
        for wrong, times in Counter(outcome.wrong).items():
            print(f"not kept: {outcome.promise}: {wrong}{f' ({times} times)' if times > 1 else ''}", file=sys.stderr)
    return int(any(outcome.wrong for outcome in found))


if __name__ == "__main__":
    sys.exit(main())
