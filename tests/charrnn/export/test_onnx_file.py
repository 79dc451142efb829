import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from charrnn.errors import ParamsError
from charrnn.export.onnx_file import onnx_bytes
from tests.charrnn.export.writers import KINDS, untrained, untrained_kind


@pytest.mark.parametrize(("cell", "shape"), KINDS)
@pytest.mark.parametrize("texts", [1, 3])
def test_onnxruntime_steps_as_the_model_does(cell: str, shape: str, texts: int) -> None:
    network = untrained_kind(cell, shape).network
    session = onnxruntime.InferenceSession(onnx_bytes(untrained_kind(cell, shape)), providers=["CPUExecutionProvider"])
    state = network.initial_state(texts)
    inputs = {f"state_{number}": part.numpy() for number, part in enumerate(state)}
    random = np.random.default_rng(1)
    for _ in range(5):
        ids = random.integers(0, network.vocabulary_size, texts)
        logits, state = network(torch.from_numpy(ids)[None], state)
        found, *after = session.run(None, {"ids": ids, **inputs})
        assert found == pytest.approx(logits[0].numpy(), abs=1e-4)
        for part, wanted in zip(after, state, strict=True):
            assert part == pytest.approx(wanted.numpy(), abs=1e-4)
        inputs = {f"state_{number}": part for number, part in enumerate(after)}
    assert [one.name for one in session.get_outputs()] == ["logits", *(f"{name}_after" for name in inputs)]


@pytest.mark.parametrize("documents", ["none", "files"])
def test_the_file_says_which_character_an_id_is(documents: str) -> None:
    writer = untrained(f"data.documents={documents}")
    model = onnx.load_from_string(onnx_bytes(writer))
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(found["vocabulary"]) == list(writer.vocabulary.characters)
    assert found["stop_id"] == str(writer.vocabulary.stop_id)
    assert json.loads(found["documents"]) is (documents == "files")


def test_without_onnx_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ParamsError, match=r"needs the package onnx: pip install onnx"):
        onnx_bytes(untrained())
