"""Row 14: a list of names, against karpathy's makemore run beside it on its own split of them.

makemore draws 1,000 test names at random and says its loss on them, stop symbol included, every 500 steps; so does this
project here, on the same names. Neither chooses anything on other names than these.
"""

import math
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.runner import Bench, Curve, Figure, NotMeasuredError
from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.corpus import fetch_corpus
from charrnn.data.dataset import encode_corpus
from charrnn.data.layout import lay_out
from charrnn.data.splits import Splits
from charrnn.training.device import computing
from charrnn.training.events import Evaluation
from charrnn.training.loop import train
from charrnn.training.state import new_state

# Sha256 of names.txt of karpathy/makemore (32,033 names).
NAMES = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
SEEDS = (1, 2, 3)
TARGET, SECONDS = 1.95, 60
TIMES = range(10, SECONDS + 1, 10)
# The seed that makemore sets before it draws its test names.
THEIR_SEED, THEIR_TEST_NAMES = 3407, 1000
PEERS = ("transformer", "gru")
# Its curves go to TensorBoard, which need not be installed for this.
RUN = """
import runpy, sys, types
board = types.ModuleType("torch.utils.tensorboard")
board.SummaryWriter = lambda **_: types.SimpleNamespace(add_scalar=lambda *_: None, flush=lambda: None)
sys.modules["torch.utils.tensorboard"] = board
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
TEST_LOSS = re.compile(r"step \d+ train loss: \S+ test loss: (\S+)")


def measure(bench: Bench) -> list[Figure]:
    if bench.sha256 != NAMES or bench.makemore is None:
        raise NotMeasuredError("needs makemore's names.txt as --corpus and its makemore.py as --makemore")
    ours = [_ours(bench, seed) for seed in SEEDS]
    theirs = {peer: _theirs(bench, bench.makemore, peer) for peer in PEERS}
    at = {seconds: statistics.mean(_loss_at(curve, seconds) for curve in ours) for seconds in TIMES}
    peers = {peer: {seconds: _loss_at(curve, seconds) for seconds in TIMES} for peer, curve in theirs.items()}
    ahead = all(at[seconds] < min(found[seconds] for found in peers.values()) for seconds in TIMES)
    columns = "; ".join(
        f"{seconds} s: {at[seconds]:.3f} ({', '.join(_shown(peers[peer][seconds]) for peer in PEERS)})"
        for seconds in TIMES
    )
    return [
        Figure(
            "14",
            f"loss on makemore's {THEIR_TEST_NAMES:,} test names, mean of {len(SEEDS)} seeds "
            f"(makemore's {' and '.join(PEERS)} beside it)",
            f"<= {TARGET} in {SECONDS} s, below both from {TIMES[0]} s on",
            columns,
            at[SECONDS] <= TARGET and ahead,
        )
    ]


def _shown(loss: float) -> str:
    return f"{loss:.3f}" if math.isfinite(loss) else "none yet"


def _ours(bench: Bench, seed: int) -> Curve:
    overlay = Path(__file__).resolve().parents[1] / "params" / "names.yaml"
    where = [f"data.sources=[{bench.corpus}]", f"data.directory={bench.folder / 'data'}"]
    often = ["evaluation.every_seconds=4", "evaluation.max_share=1", "evaluation.max_characters=null"]
    limit = [f"training.seed={seed}", f"training.max_minutes={SECONDS / 60}", "checkpoint.every_seconds=null"]
    params = load_params([overlay], [*where, *often, *limit])
    dataset = encode_corpus(fetch_corpus(params.data), params.data)
    splits = _their_splits(dataset.splits(params.splits))
    return _curve(params, splits, dataset.vocabulary().size)


def _curve(params: Params, splits: Splits, vocabulary_size: int) -> Curve:
    cpu, training = torch.device("cpu"), params.training
    streams = lay_out(splits, "train", training.batch_size, training.seq_length, cpu, seed=training.seed)
    test = lay_out(splits, "test", params.evaluation.batch_size, training.seq_length, cpu)
    state = new_state(params.model, training, vocabulary_size, streams.batch_size, cpu)
    with computing(training):
        events = [event for event in train(state, streams, test, params) if isinstance(event, Evaluation)]
    return [(event.elapsed, event.loss) for event in events if event.loss is not None]


def _their_splits(splits: Splits) -> Splits:
    """Return the documents of `splits`, divided as makemore divides the lines of its file."""
    assert splits.documents is not None
    ends = sorted((end, start) for spans in splits.spans.values() for start, end in spans.tolist())
    spans = torch.tensor([(start, end) for end, start in ends])
    order = torch.randperm(len(spans), generator=torch.Generator().manual_seed(THEIR_SEED))
    train_documents, test_documents = order[:-THEIR_TEST_NAMES], order[-THEIR_TEST_NAMES:]
    chosen = {"train": train_documents, "val": order[:0], "test": test_documents}
    found = {name: documents.numpy() for name, documents in chosen.items()}
    return Splits(splits.text, {name: spans.numpy()[documents] for name, documents in found.items()}, found)


def _theirs(bench: Bench, script: Path, peer: str) -> Curve:
    """Run makemore's `peer`, with what it takes by itself, until the time is over."""
    folder = bench.folder / peer
    command = [sys.executable, "-c", RUN, str(script), "-i", str(bench.corpus), "-o", str(folder), "--type", peer]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            curve = list(_read(process))
        finally:
            process.kill()
    if not curve:
        raise NotMeasuredError(f"{script}: says no test loss")
    return curve


def _read(process: "subprocess.Popen[str]") -> Iterator[tuple[float, float]]:
    assert process.stdout is not None
    began = None
    for line in process.stdout:
        if began is None and line.startswith("step 0 "):
            began = time.monotonic()
        if began is None:
            continue
        elapsed = time.monotonic() - began
        if elapsed > SECONDS:
            return
        if found := TEST_LOSS.match(line):
            yield elapsed, float(found[1])


def _loss_at(curve: Curve, seconds: float) -> float:
    """Return the lowest loss up to a time; infinity where there is none yet. Each keeps its best weights."""
    return min((loss for at, loss in curve if at <= seconds + 0.5), default=float("inf"))
