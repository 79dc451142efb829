"""The completions server: how soon and how fast it answers, against the plain sampler.

Server, clients (`benchmarks.streams`) and this process are three, and share the processors. The characters of an event
arrive together: the time between two characters is that between two events of a text.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from benchmarks.models import vocabulary
from benchmarks.runner import Bench, Figure, alternate, seconds
from benchmarks.streams import Arrival
from charrnn.config.loading import PROJECT, load_params
from charrnn.config.sampling_options import SamplingOptions
from charrnn.generation.sampling import sample, sample_many
from charrnn.model.char_rnn import CharRNN
from charrnn.training.checkpoint import checkpoint_of, save_checkpoint
from charrnn.training.state import new_state

CLIENTS, CLIENT_LENGTH = 64, 4000
ALONE_LENGTH = 8000
FIRSTS = 30
PAIRS = 3
CLIENT = Path(__file__).with_name("streams.py")


def measure(bench: Bench) -> list[Figure]:
    checkpoint = bench.folder / "model.ckpt"
    model = _save(checkpoint)
    with _server(checkpoint) as port:
        first = statistics.median(arrival.first for arrival in _clients(port, 1, 1, FIRSTS)[1])
        slow, plain, share = alternate(
            lambda: _clients(port, 1, ALONE_LENGTH)[0],
            lambda: seconds(lambda: sample(model, vocabulary(), SamplingOptions(length=ALONE_LENGTH, temperature=1))),
            PAIRS,
        )
        options = [SamplingOptions(length=CLIENT_LENGTH, seed=seed, temperature=1) for seed in range(CLIENTS)]
        gaps: list[float] = []

        def served() -> float:
            taken, arrivals = _clients(port, CLIENTS, CLIENT_LENGTH)
            gaps.extend(gap for arrival in arrivals for gap in arrival.gaps)
            return taken

        together, batched, shared = alternate(
            served, lambda: seconds(lambda: sample_many(model, vocabulary(), options)), PAIRS
        )
    written = CLIENTS * CLIENT_LENGTH
    late = float(np.percentile(gaps, 99)) * 1000
    speeds = f"{ALONE_LENGTH / slow:,.0f} characters/s against {ALONE_LENGTH / plain:,.0f}"
    all_speeds = f"{written / together:,.0f} characters/s against {written / batched:,.0f}"
    return [
        Figure(
            "22 (first)",
            "completions server, default model: time to the first character at idle",
            "<= 10 ms",
            f"{first * 1000:.1f} ms",
            first <= 0.01,
        ),
        Figure(
            "22 (one)", "one stream, against the plain sampler", ">= 80 %", f"{1 / share:.0%} ({speeds})", share <= 1.25
        ),
        Figure(
            "22 (many)",
            f"{CLIENTS} streams at once, against as many texts of the plain sampler side by side",
            ">= 60 %",
            f"{1 / shared:.0%} ({all_speeds})",
            shared <= 1 / 0.6,
        ),
        Figure(
            "22 (p99)", f"between two events of one of {CLIENTS} streams, p99", "<= 50 ms", f"{late:.0f} ms", late <= 50
        ),
    ]


def _save(path: Path) -> CharRNN:
    """Save an untrained model of the default size."""
    params = load_params([], [])
    torch.manual_seed(1)
    state = new_state(params.model, params.training, vocabulary().size, 1, torch.device("cpu"))
    checkpoint = checkpoint_of(state, params, vocabulary(), "", "")
    save_checkpoint(path, checkpoint)
    return checkpoint.model()


@contextmanager
def _server(checkpoint: Path) -> Iterator[int]:
    """Serve a checkpoint from a process of its own; yield the port."""
    command = [sys.executable, str(PROJECT / "flows" / "serve.py"), str(checkpoint), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().partition(";")[0].rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()


def _clients(port: int, clients: int, length: int, times: int = 1) -> tuple[float, list[Arrival]]:
    """Return how long all clients together took (s), and what each saw; they are in a process of their own."""
    command = [sys.executable, str(CLIENT), *map(str, (port, clients, length, times))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    taken, found = json.loads(done.stdout)
    arrivals = [Arrival(**one) for one in found]
    assert all(arrival.characters == length for arrival in arrivals)
    return taken, arrivals
