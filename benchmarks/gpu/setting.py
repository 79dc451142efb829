"""What is measured on: the device, the text, and the shapes of models; and the library's loop on them."""

import gc
import hashlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Ids, Vocabulary
from charrnn.errors import CorpusError, FileError
from charrnn.training.events import Steps
from charrnn.training.loop import train
from charrnn.training.state import TrainState, new_state

MADE_CHARACTERS = 1_200_000
# Share of the text, its end, that is held out: the split that published losses refer to.
HELD_OUT = 0.1
# No event but the reports of steps, and the same arithmetic as the bare loop: no moving average of the weights.
BARE = (
    "evaluation.every_steps=null",
    "evaluation.every_seconds=null",
    "checkpoint.every_steps=null",
    "checkpoint.every_seconds=null",
    "training.max_minutes=null",
    "training.threads=1",
    "training.ema_decay=null",
    "training.schedule=constant",
    "training.learning_rate=0.001",
    "training.patience=null",
    "training.spike_threshold=null",
)


@dataclass(frozen=True)
class Shape:
    """A model, and the windows it is trained on."""

    layers: int
    hidden_size: int
    batch_size: int
    seq_length: int

    def __str__(self) -> str:
        return f"{self.layers}x{self.hidden_size} B{self.batch_size} T{self.seq_length}"


@dataclass(frozen=True)
class Setting:
    """What is measured on.

    Attributes:
        device: that of the figures.
        vocabulary: of the text.
        ids: of the part that is trained on, uint8 or more.
        held_out: of the part that is evaluated on.
        sha256: hex digest of the text's bytes; '' where it was made here.
        quick: a rehearsal: small shapes, short times.
    """

    device: torch.device
    vocabulary: Vocabulary
    ids: Ids
    held_out: Ids
    sha256: str
    quick: bool


def setting(device: torch.device, corpus: Path | None, quick: bool) -> Setting:
    """Return the setting on the text in the file `corpus`, or on one that is made here.

    Raises:
        FileError: the file cannot be read.
        CorpusError: it is not UTF-8, or too short.
    """
    content = b"" if corpus is None else _read(corpus)
    try:
        text = content.decode("utf-8") if corpus is not None else _made()
    except UnicodeDecodeError as error:
        raise CorpusError(f"{corpus}: is not UTF-8 ({error.reason} at byte {error.start})") from None
    if len(text) < 100_000:
        raise CorpusError(f"{corpus}: has {len(text):,} characters, at least 100,000 are needed")
    characters = "".join(sorted(set(text)))
    counts, first_seen = (tuple(map(find, characters)) for find in (text.count, text.index))
    vocabulary = Vocabulary(characters, counts, first_seen)
    ids = vocabulary.encode(text)
    cut = round(len(ids) * (1 - HELD_OUT))
    sha256 = hashlib.sha256(content).hexdigest() if corpus is not None else ""
    return Setting(device, vocabulary, ids[:cut], ids[cut:], sha256, quick)


def params_for(shape: Shape, *changes: str) -> Params:
    """Return the parameters of a training of `shape` that does what the bare loop does."""
    texts = [f"model.num_layers={shape.layers}", f"model.hidden_size={shape.hidden_size}"]
    texts += [f"training.batch_size={shape.batch_size}", f"training.seq_length={shape.seq_length}"]
    return load_params([], [*BARE, "training.max_steps=1000000", *texts, *changes], base=Params())


def whole_windows(setting: Setting, shape: Shape) -> Streams:
    """Return streams of the text of which every window is whole.

    Raises:
        CorpusError: the text has no window of this shape.
    """
    windows = (len(setting.ids) - 1) // (shape.batch_size * shape.seq_length)
    if not windows:
        raise CorpusError(f"{shape} needs {shape.batch_size * shape.seq_length + 1:,} characters to train on")
    ids = setting.ids[: windows * shape.batch_size * shape.seq_length + 1]
    return Streams(ids, shape.batch_size, shape.seq_length, setting.device)


def fresh_state(setting: Setting, params: Params, streams: Streams) -> TrainState:
    return new_state(params.model, params.training, setting.vocabulary.size, streams.batch_size, setting.device)


def steps(state: TrainState, streams: Streams, params: Params) -> Iterator[Steps]:
    """Train as the library does, without evaluations; yield the reports."""
    for event in train(state, streams, None, params):
        if isinstance(event, Steps):
            yield event


def losses(state: TrainState, streams: Streams, params: Params, until: int) -> list[float]:
    """Train until step `until`, where a report must end; return the losses."""
    found: list[float] = []
    for event in steps(state, streams, params):
        found += event.losses
        if event.last_step >= until:
            break
    return found


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def clock(device: torch.device) -> float:
    """Return the time (s) at which all work on the device is done."""
    synchronise(device)
    return time.perf_counter()


def forget(device: torch.device) -> None:
    """Give back the memory of what was measured before, and begin to count its peak anew."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_memory(device: torch.device) -> int | None:
    """Return the most memory that tensors took on the device since `forget` (bytes); None on a CPU."""
    return torch.cuda.max_memory_allocated() if device.type == "cuda" else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"--corpus {path}: {error.strerror}") from None


def _made() -> str:
    """Return a text of words that follow Zipf's law."""
    draw, random_ids = random.Random(0), np.random.default_rng(0)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(draw.choices(letters, k=draw.randint(1, 9))) for _ in range(5000)]
    chosen = np.minimum(random_ids.zipf(1.3, MADE_CHARACTERS // 5), len(words)) - 1
    text = " ".join(words[number] + (".\n" if number % 11 == 0 else "") for number in chosen.tolist())
    return text[:MADE_CHARACTERS]
