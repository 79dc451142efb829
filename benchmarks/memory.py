"""Row 11: the most memory that training takes, beside a bare loop's process of the same shape."""

import subprocess
import sys

from benchmarks.pipelines import PROJECT, overrides
from benchmarks.plain import STEPS
from benchmarks.runner import Bench, Figure

TARGET = 480


def peak(command: list[str]) -> float:
    """Return the most memory that the process had (MB), its helper processes not counted.

    A small process starts it: what Linux calls a process's peak includes that of the one it was forked from.
    """
    code = (
        "import resource, subprocess, sys; "
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    return int(done.stdout) * 1024 / 1e6


def measure(bench: Bench) -> list[Figure]:
    options = [part for change in overrides(bench) for part in ("--set", change)]
    limits = ["--set", f"training.max_steps={STEPS}", "--set", "training.max_minutes=null"]
    ours = peak([sys.executable, str(PROJECT / "flows" / "pipeline.py"), "--quiet", *options, *limits])
    theirs = peak([sys.executable, "-m", "benchmarks.plain", str(bench.corpus)])
    figure = f"{ours:.0f} MB ({ours / theirs:.2f} x the {theirs:.0f} MB of a bare loop's process)"
    return [Figure("11", "most memory of a default run", f"<= {TARGET} MB", figure, ours <= TARGET)]
