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
