"""Row 7: making vocabulary and ids of a text, of a stream and of lines, in bytes a second and in memory; and training
on a large stream."""

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


def params_for(text: Path, documents: str = "none", number: int = 0) -> Params:
    data = {"sources": [str(text)], "directory": f"{text.parent}/data{number}", "documents": documents}
    return Params.model_validate({"data": data, "training": {"max_steps": 20, "max_minutes": None}})


def speed(text: Path, documents: str = "none") -> float:
    """Megabytes of `text` encoded in a second."""
    times = []
    for number in range(REPEATS):
        params = params_for(text, documents, number)
        times.append(seconds(partial(encode_corpus, fetch_corpus(params.data), params.data)))
    return text.stat().st_size / statistics.median(times) / 1e6


def use(text: Path, documents: str) -> None:
    """Encode `text` and make a few optimizer steps on it where it is one stream."""
    params = params_for(text, documents)
    dataset = encode_corpus(fetch_corpus(params.data), params.data)
    if params.data.has_documents:
        return
    ids, cpu = dataset.splits(params.splits).ids("train")[:], torch.device("cpu")
    streams = Streams(ids, params.training.batch_size, params.training.seq_length, cpu)
    state = new_state(params.model, params.training, dataset.vocabulary().size, streams.batch_size, cpu)
    for _ in train(state, streams, None, params):
        pass


def measure(bench: Bench) -> list[Figure]:
    ascii_speed = speed(write(bench.folder / "ascii.txt", bench.corpus.read_bytes(), SIZE))
    mixed_speed = speed(write(bench.folder / "mixed.txt", MIXED.encode(), SIZE))
    lines_speed = speed(bench.folder / "ascii.txt", "lines")
    figures = [
        Figure("7 (ASCII)", "encoding ASCII", ">= 300 MB/s", f"{ascii_speed:,.0f} MB/s", ascii_speed >= 300),
        Figure("7 (UTF-8)", "encoding mixed UTF-8", ">= 100 MB/s", f"{mixed_speed:,.0f} MB/s", mixed_speed >= 100),
        Figure("7 (lines)", "encoding lines of ASCII", ">= 200 MB/s", f"{lines_speed:,.0f} MB/s", lines_speed >= 200),
    ]
    need_memory(4)
    large = write(bench.folder / "large.txt", bench.corpus.read_bytes(), LARGE_SIZE)
    for row, documents, what in (
        ("7 (memory)", "none", "memory to encode 2 GB and to train on it"),
        ("7 (memory, lines)", "lines", "memory to encode 2 GB of lines"),
    ):
        memory = peak([sys.executable, "-m", "benchmarks.encoding", str(large), documents]) / 1e3
        figures.append(Figure(row, what, "<= 1 GB", f"{memory:.2f} GB", memory <= 1))
    return figures


if __name__ == "__main__":
    use(Path(sys.argv[1]), sys.argv[2])
