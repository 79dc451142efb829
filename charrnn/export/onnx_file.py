"""A model as ONNX: one step, which reads a character of each text, with the state in and out."""

import json
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from charrnn.errors import ParamsError
from charrnn.generation.writer import Writer
from charrnn.model.char_rnn import CharRNN

OPSET = 17
"""Of ONNX 1.12 (2022)."""


class _Step(nn.Module):
    def __init__(self, network: CharRNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        logits, after = self.network(ids[None], state)
        return (logits[0], *after)


def onnx_bytes(writer: Writer) -> bytes:
    """Return the model as the content of an ONNX file.

    Inputs are `ids`, (batch,) int64, and for each tensor of the state `state_0`, `state_1`, ..., (num_layers, batch,
    hidden_size) float32, zeros before any character; outputs are `logits`, (batch, vocabulary_size) float32, and
    `state_0_after`, ... The metadata have `vocabulary`, a JSON list of characters in the order of their ids, `stop_id`,
    and `documents`, "true" where a text begins with the stop symbol.

    Raises:
        ParamsError: the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise ParamsError("ONNX needs the package onnx: pip install onnx") from None
    network = writer.network
    # Two texts: PyTorch would take a batch of one for a dimension that is always one.
    state = network.initial_state(2)
    names = [f"state_{number}" for number in range(len(state))]
    after = [f"{name}_after" for name in names]
    batch = {"ids": {0: "batch"}, "logits": {0: "batch"}, **{name: {1: "batch"} for name in (*names, *after)}}
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        path = Path(temporary) / "model.onnx"
        # The exporter that follows this one needs packages that are not in PyTorch, for the same graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Step(network).eval(),
            (torch.zeros(2, dtype=torch.int64), *state),
            path,
            dynamo=False,
            input_names=["ids", *names],
            output_names=["logits", *after],
            dynamic_axes=batch,
            opset_version=OPSET,
        )
        model = onnx.load(path)
    metadata = {
        "vocabulary": json.dumps(list(writer.vocabulary.characters)),
        "stop_id": str(writer.vocabulary.stop_id),
        "documents": json.dumps(writer.data.has_documents),
    }
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
