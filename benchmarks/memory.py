"""Row 11: the most memory that training takes, against a bare loop's process of the same shape."""

import subprocess
import sys
from pathlib import Path

from benchmarks.pipelines import PROJECT, overrides
from benchmarks.runner import Bench, Figure

STEPS = 600


def bare(corpus: Path) -> None:
    """Train the default shape as a tutorial does, with as little as that takes."""
    import torch

    from benchmarks.models import PlainLSTM, plain_train

    text = corpus.read_text(encoding="utf-8")
    ids = {character: number for number, character in enumerate(sorted(set(text)))}
    stream = torch.tensor([ids[character] for character in text])
    rows = stream[: len(stream) // 16 * 16].view(16, -1)
    pieces = [rows[:, start : start + 49].t() for start in range(0, rows.shape[1] - 49, 48)]
    plain_train(PlainLSTM(len(ids), 256, 1), torch.stack(pieces), STEPS)


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
    return int(done.stdout) / 1e3


def measure(bench: Bench) -> list[Figure]:
    options = [part for change in overrides(bench) for part in ("--set", change)]
    limits = ["--set", f"training.max_steps={STEPS}", "--set", "training.max_minutes=null"]
    ours = peak([sys.executable, str(PROJECT / "flows" / "pipeline.py"), "--quiet", *options, *limits])
    theirs = peak([sys.executable, "-m", "benchmarks.memory", str(bench.corpus)])
    ratio = ours / theirs
    what = "most memory of a default run, against a bare loop's process"
    return [Figure("11", what, "<= 1.3 x", f"{ratio:.2f} x ({ours:.0f} MB against {theirs:.0f})", ratio <= 1.3)]


if __name__ == "__main__":
    bare(Path(sys.argv[1]))
