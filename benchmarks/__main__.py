"""Measures how fast the pipeline is, each figure against something run beside it: `python -m benchmarks --help`."""

import argparse
import hashlib
import importlib
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

import tasks  # noqa: F401  # the settings that Prefect and MLflow read when they are imported
from benchmarks.runner import Bench, Figure, NotMeasuredError, keep, need_quiet
from charrnn.config.loading import load_params
from charrnn.data.folder import DataFolder
from charrnn.errors import CharrnnError

# Which file measures which rows, in the order of the table.
FILES = {
    "time_to_loss": (1,),
    "two_minutes": (2, 18),
    "fifteen_minutes": (3, 19),
    "training_speed": (4,),
    "step": (5,),
    "startup": (6,),
    "encoding": (7,),
    "sampling": (8, 9),
    "evaluations": (10,),
    "memory": (11,),
    "scaling": (12,),
    "tracking": (13,),
    "names": (14,),
    "busy": (15, 16, 17),
    "texts": (20,),
    "scoring": (21,),
    "completions": (22,),
    "report": (23,),
    "page": (24,),
    "sweeps": (25, 26),
    "processes": (27,),
}
LONG = {3, 19}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="a text file; targets are given for tinyshakespeare")
    parser.add_argument("--makemore", type=Path, help="the script of karpathy/makemore, which row 14 runs beside")
    parser.add_argument("--pyppmd", type=Path, help="a Python that has the package pyppmd, which row 18 runs beside")
    parser.add_argument("--texts", type=Path, help="a folder of texts of 1 MB and more, which row 20 trains on")
    parser.add_argument("--rows", default="", help="such as 4,8 (default: all but the long ones)")
    parser.add_argument("--long", action="store_true", help="also the rows that take three quarters of an hour")
    parser.add_argument("--print-only", action="store_true", help="leave docs/performance.md as it is")
    arguments = parser.parse_args()
    try:
        digest = hashlib.sha256(arguments.corpus.read_bytes()).hexdigest()
    except OSError as error:
        print(f"error: --corpus {arguments.corpus}: {error.strerror}", file=sys.stderr)
        return 2
    if problem := _missing(arguments):
        print(f"error: {problem}", file=sys.stderr)
        return 2
    every = {row for rows in FILES.values() for row in rows}
    try:
        wanted = {int(row) for row in arguments.rows.split(",") if row} or every - (set() if arguments.long else LONG)
    except ValueError:
        wanted = set()
    if not wanted or not wanted <= every:
        print(
            f"error: --rows must be among {', '.join(map(str, sorted(every)))}, got {arguments.rows}", file=sys.stderr
        )
        return 2
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    from flows.servers.temporary_server import temporary_server  # seconds: once the arguments are checked

    logging.getLogger("charrnn").setLevel(logging.ERROR)
    with temporary_server(DataFolder(Path(load_params().data.directory))):
        _measure_all(arguments, digest, wanted)
    return 0


def _missing(arguments: argparse.Namespace) -> str:
    """Return what is wrong with the options that name what rows run beside or on; '' where nothing is."""
    for option, is_there, what in (
        ("makemore", Path.is_file, "a file"),
        ("pyppmd", Path.is_file, "a file"),
        ("texts", Path.is_dir, "a folder"),
    ):
        path: Path | None = getattr(arguments, option)
        if path is not None and not is_there(path):
            return f"--{option} {path}: must be {what}"
    return ""


def _measure_all(arguments: argparse.Namespace, sha256: str, wanted: set[int]) -> None:
    for name, rows in FILES.items():
        if not wanted.intersection(rows):
            continue
        started = time.monotonic()
        try:
            figures = _measure(name, arguments, sha256, wanted)
        except (NotMeasuredError, CharrnnError) as error:
            print(f"{', '.join(map(str, rows))} {name}: not measured: {error}", flush=True)
            continue
        for figure in figures:
            verdict = {True: "reached", False: "MISSED", None: ""}[figure.reached]
            print(f"{figure.row:4} {figure.what}: {figure.figure}  (to reach: {figure.target}) {verdict}", flush=True)
        print(f"     {time.monotonic() - started:.0f} s", flush=True)
        if not arguments.print_only:
            keep(figures)


def _measure(name: str, arguments: argparse.Namespace, sha256: str, wanted: set[int]) -> list[Figure]:
    """Raises NotMeasuredError where the figures would not be worth printing."""
    module = importlib.import_module(f"benchmarks.{name}")
    need_quiet()
    with tempfile.TemporaryDirectory() as folder:
        makemore = arguments.makemore and arguments.makemore.resolve()
        bench = Bench(
            corpus=arguments.corpus.resolve(),
            folder=Path(folder),
            sha256=sha256,
            makemore=makemore,
            pyppmd=(arguments.pyppmd or Path(sys.executable)).absolute(),
            texts=arguments.texts and arguments.texts.resolve(),
            rows=frozenset(wanted),
        )
        found: list[Figure] = module.measure(bench)
        return found


if __name__ == "__main__":
    sys.exit(main())
