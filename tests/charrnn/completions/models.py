"""Small models that are untrained and yet far from uniform, and a server of one in a thread."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import torch
import uvicorn
from starlette.types import ASGIApp

from charrnn.completions.batch import Batch
from charrnn.completions.server import configured
from charrnn.completions.shelf import Served
from charrnn.config.schema import DataParams, ModelParams
from charrnn.data.vocabulary import Vocabulary
from charrnn.generation.writer import Writer
from charrnn.model.char_rnn import CharRNN

CHARACTERS = "\nabcdefgé中😀"
VOCABULARY = Vocabulary(CHARACTERS, (1,) * len(CHARACTERS), tuple(range(len(CHARACTERS))))


def writer(*, documents: bool = False, stop_bias: float = 1.0, **model: object) -> Writer:
    """A model whose weights are float64, so that no draw hangs on the rounding that reading side by side changes."""
    torch.manual_seed(1)
    values = {"hidden_size": 8, "embedding_size": 5, "num_layers": 2, **model}
    network = CharRNN(ModelParams.model_validate(values), VOCABULARY.size)
    with torch.no_grad():
        for weights in network.rnns.parameters():
            weights.mul_(2)
        network.decoder.weight.mul_(8)
        network.decoder.bias[VOCABULARY.stop_id] = stop_bias
    data = DataParams(documents="lines") if documents else DataParams()
    return Writer(network.double().eval().requires_grad_(False), VOCABULARY, data)


def served(name: str = "tiny", **model: Any) -> Served:
    made = writer(**model)
    return Served(name, made, Batch(made))


@contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """Serve `app` from a thread; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(configured(app))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            until(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def figures(address: str) -> Mapping[str, float]:
    """What /metrics says: name with labels -> value."""
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def until(is_so: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is so; fail if it is not in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def until_idle(address: str) -> None:
    """Wait until no text has a place or waits for one."""
    until(lambda: not any(figures(address)[f"charrnn_texts_{what}"] for what in ("running", "waiting")))
