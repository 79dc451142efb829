"""What two compressors take for the last tenth of a text when they have read the rest: row 18's peers.

PPMd (Shkarin 2002) predicts bytes by their last 6, zpaq -m5 mixes some twenty models of contexts. Both learn as they
read, and what they write is, but for a few bytes, the sum of their surprisals.
"""

import math
import shutil
import subprocess
from collections.abc import Callable

from benchmarks.pipelines import HALVES, encoded
from benchmarks.runner import Bench

# The size of what standard input is compressed to.
PPMD = "import sys, pyppmd; print(len(pyppmd.compress(sys.stdin.buffer.read(), max_order=6)))"
# Up to a block of 1 MiB zpaq takes other models than above: with this before it, every part is above. What it takes
# itself is the same in both of them.
PADDING = bytes(128 * 1024)

Size = Callable[[bytes], int]
"""Returns the size of what a text is compressed to (bytes)."""


def compressor_losses(bench: Bench) -> dict[str, float | None]:
    """Return the loss of each compressor on the validation split (nats per character), None where not installed."""
    params, dataset = encoded(bench, *HALVES)
    cut = dataset.splits(params.splits).sizes["train"]
    text = bench.corpus.read_text(encoding="utf-8")
    sizes = {"PPMd": _ppmd(bench), "zpaq -m5": _zpaq(bench)}
    return {name: size and extra_loss(size, text, cut) for name, size in sizes.items()}


def extra_loss(size: Size, text: str, cut: int) -> float:
    """Return what `text` takes from character `cut` on, given what is before it (nats per character)."""
    taken = size(text.encode()) - size(text[:cut].encode())
    return taken * 8 * math.log(2) / (len(text) - cut)


def _ppmd(bench: Bench) -> Size | None:
    if subprocess.run([bench.pyppmd, "-c", "import pyppmd"], capture_output=True).returncode:
        return None

    def size(text: bytes) -> int:
        return int(subprocess.run([bench.pyppmd, "-c", PPMD], input=text, check=True, capture_output=True).stdout)

    return size


def _zpaq(bench: Bench) -> Size | None:
    program = shutil.which("zpaq")
    if program is None:
        return None

    def size(text: bytes) -> int:
        whole, archive = bench.folder / "padded.txt", bench.folder / "padded.zpaq"
        whole.write_bytes(PADDING + text)
        archive.unlink(missing_ok=True)
        subprocess.run([program, "add", archive, whole, "-m5"], check=True, capture_output=True)
        return archive.stat().st_size

    return size
