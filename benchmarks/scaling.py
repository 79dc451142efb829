"""Row 12: cost as work grows: the corpus, the hidden size, the streams."""

from functools import partial
from pathlib import Path

import matplotlib
import torch

matplotlib.use("agg")
import matplotlib.pyplot as plt

from benchmarks.encoding import params_for
from benchmarks.runner import PAGE, Bench, Figure, seconds
from charrnn.config.schema import Params
from charrnn.data.corpus import fetch_corpus
from charrnn.data.dataset import encode_corpus
from charrnn.data.streams import Streams
from charrnn.training.loop import train
from charrnn.training.state import new_state

PICTURE = PAGE.with_name("scaling.png")
SECONDS = 4.0


def training_speed(text: Path, **changes: int) -> float:
    """Characters a second of the default model, changed as said."""
    model = {name: value for name, value in changes.items() if name == "hidden_size"}
    training = {name: value for name, value in changes.items() if name == "batch_size"}
    params = params_for(text)
    limits = {"max_steps": None, "max_minutes": SECONDS / 60}
    params = Params.model_validate(
        {"data": params.data, "model": model, "training": {**training, **limits}, "evaluation": {"every_seconds": None}}
    )
    dataset = encode_corpus(fetch_corpus(params.data), params.data)
    cpu, ids = torch.device("cpu"), dataset.splits(params.splits).ids("train")[:]
    streams = Streams(ids, params.training.batch_size, params.training.seq_length, cpu)
    state = new_state(params.model, params.training, dataset.vocabulary().size, streams.batch_size, cpu)
    for _ in train(state, streams, None, params):
        pass
    return state.progress.step * streams.batch_size * streams.seq_length / state.progress.elapsed


def measure(bench: Bench) -> list[Figure]:
    text = bench.corpus.read_bytes()
    texts = {}
    for times in (1, 10, 100):
        (bench.folder / f"x{times}").mkdir()
        texts[times] = bench.folder / f"x{times}" / "text.txt"
        texts[times].write_bytes(text * times)
    encode = {}
    for times, path in texts.items():
        data = params_for(path).data
        encode[times] = seconds(partial(encode_corpus, fetch_corpus(data), data))
    by_corpus = {times: training_speed(path) for times, path in texts.items()}
    by_hidden = {size: training_speed(texts[1], hidden_size=size) for size in (128, 256, 512)}
    by_streams = {number: training_speed(texts[1], batch_size=number) for number in (1, 4, 16, 64)}
    _draw(encode, by_hidden, by_streams)
    return [
        _figure("12 (encode)", "seconds to encode the corpus x 1, 10, 100", encode, "{:.2f}"),
        _figure("12 (corpus)", "training, characters/s, corpus x 1, 10, 100", by_corpus, "{:,.0f}"),
        _figure("12 (hidden)", "training, characters/s, hidden size 128, 256, 512", by_hidden, "{:,.0f}"),
        _figure("12 (streams)", "training, characters/s, 1, 4, 16, 64 streams", by_streams, "{:,.0f}"),
    ]


def _figure(row: str, what: str, values: dict[int, float], form: str) -> Figure:
    return Figure(row, what, "a table and a picture", "; ".join(form.format(value) for value in values.values()), None)


def _draw(encode: dict[int, float], by_hidden: dict[int, float], by_streams: dict[int, float]) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for axis, values, x, y in (
        (axes[0], encode, "corpus, times 1.1 MB", "seconds to encode"),
        (axes[1], by_hidden, "hidden_size", "characters/s in training"),
        (axes[2], by_streams, "batch_size", "characters/s in training"),
    ):
        axis.plot(list(values), list(values.values()), marker="o", label="measured")
        first, *_ = values
        slope = -2 if values is by_hidden else 1
        straight = [values[first] * (key / first) ** slope for key in values]
        label = "in proportion to the square" if slope == -2 else "in proportion"
        axis.plot(list(values), straight, linestyle=":", color="grey", label=label)
        axis.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
        axis.legend(frameon=False)
    figure.savefig(PICTURE, dpi=110)
    plt.close(figure)
