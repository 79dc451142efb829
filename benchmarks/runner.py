"""What all benchmarks share: a quiet machine, runs in turn, medians, and the table they end in.

A ratio is one of two things measured side by side, mostly in turn (A B A B), never of numbers from two days. What has
no other side (seconds, MB/s, a loss) is a plain figure of this machine.
"""

import contextlib
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch

from charrnn.model.processor import instructions

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

# Sha256 of the corpus that published figures are quoted on (1,115,394 bytes).
TINYSHAKESPEARE = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"

# Use of all processors by others (0 to 1) above which a figure cannot be trusted.
QUIET = 0.1
PATIENCE_SECONDS = 120.0

Curve = list[tuple[float, float]]
"""Pairs of training time (s), evaluations included, and loss (nats per character)."""


class NotMeasuredError(Exception):
    """Why a figure would not be worth printing."""


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        row: its number; a group's parts have letters.
        what: was measured.
        target: what is to be reached, in words.
        figure: what was, in words.
        reached: whether the target is; None where there is none to miss, or where it is not known.
    """

    row: str
    what: str
    target: str
    figure: str
    reached: bool | None


@dataclass(frozen=True)
class Bench:
    """What a benchmark is given.

    Attributes:
        corpus: a text file.
        folder: an empty folder for whatever it writes.
        sha256: hex digest of the corpus.
        makemore: the script of karpathy's makemore; None where it is not here.
        pyppmd: a Python that may have the package pyppmd.
        texts: a folder of texts; None where there is none.
        rows: those asked for, of the table; a file may measure only these of its own.
    """

    corpus: Path
    folder: Path
    sha256: str
    makemore: Path | None = None
    pyppmd: Path = Path(sys.executable)
    texts: Path | None = None
    rows: frozenset[int] = frozenset()

    def need_published(self) -> None:
        """Raise NotMeasuredError unless the corpus is the one targets are given for."""
        if self.sha256 != TINYSHAKESPEARE:
            raise NotMeasuredError("needs tinyshakespeare as --corpus")


def need_memory(gigabytes: float) -> None:
    """Raise NotMeasuredError where less memory is free."""
    free = psutil.virtual_memory().available / 1e9
    if free < gigabytes:
        raise NotMeasuredError(f"needs {gigabytes:g} GB of free memory, {free:.1f} GB are")


def need_quiet() -> None:
    """Wait until others leave the machine alone; raise NotMeasuredError if they do not."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (busy := psutil.cpu_percent(interval=2.0) / 100) > QUIET:
        if time.monotonic() > until:
            raise NotMeasuredError(f"other programs keep the machine busy ({busy:.0%} of its processors)")


def seconds(function: Callable[[], object]) -> float:
    """Return how long `function` takes (s), without pauses of the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        started = time.perf_counter()
        function()
        return time.perf_counter() - started
    finally:
        gc.enable()


def alternate(first: Callable[[], float], second: Callable[[], float], pairs: int) -> tuple[float, float, float]:
    """Measure two things in turn.

    Returns:
        The medians of both, and the median of first / second over the pairs.
    """
    found = [(first(), second()) for _ in range(pairs)]
    firsts, seconds_ = zip(*found, strict=True)
    return statistics.median(firsts), statistics.median(seconds_), statistics.median(a / b for a, b in found)


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Have PyTorch compute with `number` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine() -> dict[str, str]:
    """Return what the figures were measured on."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        names = {line.partition(":")[2].strip() for line in file if line.startswith("model name")}
    # One name, such as AMD EPYC, is that of many; these instructions are worth a factor of two.
    return {
        "processor": f"{', '.join(sorted(names)) or platform.machine()}, {os.cpu_count()} cores, {instructions()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "mlflow", "prefect")},
    }


def keep(figures: Sequence[Figure]) -> None:
    """Add `figures` to the results, in place of older ones of the same rows, and write the table of the page anew."""
    now = {"measured on": datetime.now(UTC).strftime("%Y-%m-%d"), **machine()}
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    kept |= {figure.row: {**asdict(figure), "on": now} for figure in figures}
    ordered = dict(sorted(kept.items(), key=lambda item: _order(item[0])))
    RESULTS.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
    write_between(PAGE, BEGIN, END, table(ordered))


def write_between(page: Path, begin: str, end: str, text: str) -> None:
    """Put `text` between two lines of a page, in place of what was there."""
    before, _, rest = page.read_text(encoding="utf-8").partition(f"{begin}\n")
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return the results as Markdown: a table, and what they were measured on."""
    lines = ["| | what | to reach | measured | |", "|---|---|---|---|---|"]
    marks = {True: "reached", False: "missed", None: ""}
    lines += [
        f"| {row['row']} | {row['what']} | {row['target']} | {row['figure']} | {marks[row['reached']]} |"
        for row in results.values()
    ]
    places: dict[str, list[str]] = {}
    for row in results.values():
        place = ", ".join(f"{name} {value}" for name, value in row["on"].items())
        places.setdefault(place, []).append(row["row"])
    if len(places) == 1:
        return "\n".join([*lines, "", f"All {next(iter(places))}."])
    return "\n".join([*lines, "", *(f"Rows {', '.join(rows)}: {place}.  " for place, rows in places.items())])


def _order(row: str) -> tuple[float, str]:
    number, _, part = row.partition(" ")
    return (float(number), part)
