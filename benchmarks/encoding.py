"""Row 7: making vocabulary and ids of a text, in bytes a second and in memory; and training on a large one."""

import statistics
import sys
from functools import partial
from pathlib import Path

import torch

from benchmarks.memory import peak
from benchmarks.runner import Bench, Figure, need_memory, seconds
from charrnn.config.schema import Params
from charrnn.data.corpus import fetch_corpus
from charrnn.data.dataset import encode_corpus
from charrnn.data.streams import Streams
from charrnn.training.loop import train
from charrnn.training.state import new_state

MEGABYTE = 2**20
SIZE, LARGE_SIZE = 200 * MEGABYTE, 2048 * MEGABYTE
REPEATS = 3
MIXED = "Быть или не быть — вот вопрос. 生存还是毁灭,这是个问题。Sein oder Nichtsein; das ist hier die Frage 🙂\n"


def write(path: Path, text: bytes, size: int) -> Path:
    block = text * (MEGABYTE // len(text) + 1)
    with open(path, "wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
    return path


def params_for(text: Path, number: int = 0) -> Params:
    folder = f"{text.parent}/data{number}"
    return Params.model_validate(
        {"data": {"sources": [str(text)], "directory": folder}, "training": {"max_steps": 20, "max_minutes": None}}
    )


def speed(text: Path) -> float:
    """Megabytes of `text` encoded in a second."""
    times = []
    for number in range(REPEATS):
        params = params_for(text, number)
        times.append(seconds(partial(encode_corpus, fetch_corpus(params.data), params.data)))
    return text.stat().st_size / statistics.median(times) / 1e6


def use(text: Path) -> None:
    """Encode `text` and make a few optimizer steps on it."""
    params = params_for(text)
    dataset = encode_corpus(fetch_corpus(params.data), params.data)
    ids, cpu = dataset.splits(params.splits).ids("train"), torch.device("cpu")
    streams = Streams(ids, params.training.batch_size, params.training.seq_length, cpu)
    state = new_state(params.model, params.training, dataset.vocabulary().size, streams.batch_size, cpu)
    for _ in train(state, streams, None, params):
        pass


def measure(bench: Bench) -> list[Figure]:
    ascii_speed = speed(write(bench.folder / "ascii.txt", bench.corpus.read_bytes(), SIZE))
    mixed_speed = speed(write(bench.folder / "mixed.txt", MIXED.encode(), SIZE))
    figures = [
        Figure("7 (ASCII)", "encoding ASCII", ">= 300 MB/s", f"{ascii_speed:,.0f} MB/s", ascii_speed >= 300),
        Figure("7 (UTF-8)", "encoding mixed UTF-8", ">= 100 MB/s", f"{mixed_speed:,.0f} MB/s", mixed_speed >= 100),
    ]
    need_memory(4)
    large = write(bench.folder / "large.txt", bench.corpus.read_bytes(), LARGE_SIZE)
    memory = peak([sys.executable, "-m", "benchmarks.encoding", str(large)]) / 1e3
    what = "memory to encode 2 GB and to train on it"
    return [*figures, Figure("7 (memory)", what, "<= 1 GB", f"{memory:.2f} GB", memory <= 1)]


if __name__ == "__main__":
    use(Path(sys.argv[1]))
