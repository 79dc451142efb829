"""The completions server: how soon and how fast it answers, against the plain sampler, with clients of its own process.

Server, clients and this process share the processors. The characters of an event are counted as arriving together; the
time between two is that between two events of a text.
"""

import asyncio
import itertools
import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.models import vocabulary
from benchmarks.runner import Bench, Figure, alternate, seconds
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


@dataclass(frozen=True)
class Arrival:
    """When the characters of a stream came.

    Attributes:
        characters: of the whole text (count).
        first: from the request to the first character (s).
        gaps: between one event with characters and the next (s).
    """

    characters: int
    first: float
    gaps: list[float]


def measure(bench: Bench) -> list[Figure]:
    checkpoint = bench.folder / "model.ckpt"
    model = _save(checkpoint)
    with _server(checkpoint) as port:
        _clients(port, 1, 10)
        firsts = [_clients(port, 1, 1)[1][0].first for _ in range(FIRSTS)]
        first = statistics.median(firsts)
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


def _clients(port: int, clients: int, length: int) -> tuple[float, list[Arrival]]:
    """Return how long all clients together took (s), and what each saw; they are in a process of their own."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_run_clients, args=(sender, port, clients, length))
    process.start()
    taken, arrivals = receiver.recv()
    process.join()
    assert all(arrival.characters == length for arrival in arrivals)
    return taken, arrivals


def _run_clients(sender: "multiprocessing.connection.Connection", port: int, clients: int, length: int) -> None:
    async def all_of_them() -> list[Arrival]:
        return await asyncio.gather(*(_stream(port, length, seed) for seed in range(clients)))

    started = time.perf_counter()
    arrivals = asyncio.run(all_of_them())
    sender.send((time.perf_counter() - started, arrivals))


async def _stream(port: int, length: int, seed: int) -> Arrival:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"prompt": "\n", "max_tokens": length, "seed": seed, "stream": True}).encode()
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    started = time.perf_counter()
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    times, characters = [], 0
    while line := await reader.readline():
        if line.startswith(b"data: {"):
            times.append(time.perf_counter())
            characters += len(json.loads(line[6:])["choices"][0]["text"])
    writer.close()
    return Arrival(characters, times[0] - started, [after - before for before, after in itertools.pairwise(times)])
