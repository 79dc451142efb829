"""Which stepper a model gets, and that PyTorch's gives the logits of the model."""

import logging

import numpy as np
import pytest
import torch

from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import ModelParams
from charrnn.data.vocabulary import Vocabulary
from charrnn.generation.sampling import sample
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN
from charrnn.model.inference import TorchStepper, stepper
from charrnn.model.numpy_inference import NumpyStepper
from tests.charrnn.model.leaky_cell import register_leaky_cell

VOCABULARY = Vocabulary("\nabcd", (1,) * 5, tuple(range(5)))


def make_model(cell: str) -> CharRNN:
    """In training mode, with a dropout that would show."""
    torch.manual_seed(3)
    params = ModelParams(hidden_size=12, num_layers=2, embedding_size=12, dropout=0.5)
    return CharRNN(params.model_copy(update={"cell": cell}), VOCABULARY.size)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="charrnn")
    return caplog


@pytest.mark.parametrize("cell", [name for name, cell in CELLS.items() if cell.numpy_step])
def test_a_cell_with_a_numpy_step_is_read_in_numpy_and_nothing_is_said(
    cell: str, log: pytest.LogCaptureFixture
) -> None:
    model = make_model(cell)
    assert isinstance(stepper(model, model.initial_state(1)), NumpyStepper)
    assert log.messages == []


def test_a_cell_without_a_numpy_step_is_sampled_from_in_pytorch_which_is_said_once(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    model = make_model(register_leaky_cell(monkeypatch, name="leaky and sampled from"))
    assert isinstance(stepper(model, model.initial_state(1)), TorchStepper)
    text = sample(model, VOCABULARY, SamplingOptions(prime="ab", length=30))
    assert (len(text), set(text) - set(VOCABULARY.characters)) == (30, set())
    (message,) = log.messages
    assert "leaky and sampled from has no NumPy step" in message


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("cell", [*CELLS, "leaky"])
@pytest.mark.parametrize("texts", [1, 5])
def test_the_torch_stepper_gives_the_logits_of_the_model_and_leaves_it_as_it_was(
    cell: str, texts: int, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_leaky_cell(monkeypatch)
    model = make_model(cell).train(training)
    state = tuple(torch.randn_like(part) for part in model.initial_state(texts))
    kept = [part.clone() for part in state]
    ids = torch.randint(VOCABULARY.size, (20, texts))
    reader = TorchStepper(model, state)
    found = np.stack([reader.step(row.numpy()) for row in ids])
    assert model.training == training
    assert all(map(torch.equal, state, kept))
    with torch.inference_mode():
        expected, _ = model.eval()(ids, state)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)


def test_a_state_in_bfloat16_is_read_by_the_torch_stepper() -> None:
    model = make_model("lstm")
    state = tuple(part.bfloat16() for part in model.initial_state(1))
    assert TorchStepper(model, state).step(np.array([0])).dtype == np.float32
