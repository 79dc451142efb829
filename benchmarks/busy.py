"""Rows 15 to 17: training on a busy machine, and with one core, against the same training on a quiet one.

`training.threads` is as by default. Other processes compute without a pause, at the same priority. Where this process
may not make a control group with a CPU quota, one core is given by affinity.
"""

import contextlib
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.pipelines import PROJECT, overrides
from benchmarks.runner import Bench, Figure, NotMeasuredError
from charrnn.training.cores import usable_cores
from charrnn.training.device import THREAD_VARIABLES

SECONDS = 12.0
PAIRS = 3

# Prints characters per second, of all the time that the training took.
TRAIN = """
import sys, charrnn
source, *overrides = sys.argv[1:]
progress = charrnn.fit(source, overrides=overrides, progress=False)._checkpoint.state["progress"]
print(progress["characters"] / progress["elapsed"])
"""
# Where quotas are made.
CGROUPS = Path("/sys/fs/cgroup")


def measure(bench: Bench) -> list[Figure]:
    if usable_cores() != 2:
        raise NotMeasuredError(f"targets are given for 2 cores, this process gets {usable_cores()}")
    figures = []
    for row, others, target in ((15, 1, 0.8), (16, 2, 0.45)):
        if row in bench.rows:
            what = f"training beside {others} busy process{'es' if others > 1 else ''}, against a quiet machine"
            pairs = [(_speed(bench), _speed_beside(bench, others)) for _ in range(PAIRS)]
            figures.append(_figure(row, what, target, pairs))
    if 17 in bench.rows:
        with _one_core() as (way, prefix):
            one = [*prefix, sys.executable]
            pairs = [(_speed(bench, "training.threads=1"), _speed(bench, python=one)) for _ in range(PAIRS)]
        figures.append(_figure(17, f"training with one core ({way}), against one thread on two", 0.85, pairs))
    return figures


def _figure(row: int, what: str, target: float, pairs: Sequence[tuple[float, float]]) -> Figure:
    ratio = statistics.median(slow / quiet for quiet, slow in pairs)
    quiet, slow = (statistics.median(speeds) for speeds in zip(*pairs, strict=True))
    figure = f"{ratio:.0%} ({slow:,.0f} characters/s against {quiet:,.0f})"
    return Figure(str(row), what, f">= {target:.0%}", figure, ratio >= target)


def _speed(bench: Bench, *changes: str, python: Sequence[str] = (sys.executable,)) -> float:
    """Return the characters per second of a training in a process of its own."""
    options = [*overrides(bench), f"training.max_minutes={SECONDS / 60}", *changes]
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    command = [*python, "-c", TRAIN, str(bench.corpus), *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=PROJECT, env=environment)
    return float(done.stdout)


def _speed_beside(bench: Bench, others: int) -> float:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
    try:
        return _speed(bench)
    finally:
        for process in busy:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _one_core() -> Iterator[tuple[str, list[str]]]:
    """Give what begins a command that gets one core, and how it does: a quota, or affinity where none can be had."""
    for folder, files in (
        (CGROUPS / "charrnn-benchmark", {"cpu.max": "100000 100000"}),
        (CGROUPS / "cpu" / "charrnn-benchmark", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"}),
    ):
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            # In a folder that is no control group these files would be ordinary ones.
            if not all((folder / name).exists() for name in files):
                continue
            for name, content in files.items():
                (folder / name).write_text(content, encoding="ascii")
            yield "a quota", ["sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh"]
        finally:
            folder.rmdir()
        return
    yield "affinity", ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))]
