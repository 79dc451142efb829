"""NumpyStepper gives the logits of the model it was made from."""

from itertools import product

import numpy as np
import pytest
import torch

from charrnn.config.schema import ModelParams
from charrnn.model import numpy_inference, products
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN, State
from charrnn.model.numpy_inference import NumpyStepper
from charrnn.model.products import Array, Product

VOCABULARY_SIZE = 11


def make_model(**changes: object) -> CharRNN:
    """A model whose weights are large enough for every gate to matter, in training mode as the loop's is."""
    torch.manual_seed(3)
    params = ModelParams.model_validate({"hidden_size": 12, "num_layers": 2, "embedding_size": 12, **changes})
    model = CharRNN(params, VOCABULARY_SIZE)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return model


def numpy_stepper(model: CharRNN, state: State) -> NumpyStepper:
    assert model.cell.numpy_step is not None
    return NumpyStepper(model, model.cell.numpy_step, state)


@pytest.mark.parametrize(
    ("cell", "changes"),
    list(
        product(
            [name for name, cell in CELLS.items() if cell.numpy_step],
            (
                {},
                {"num_layers": 1},
                {"num_layers": 3},
                {"embedding_size": None},
                {"layer_norm": True},
                {"tie_weights": True},
            ),
        )
    ),
)
@pytest.mark.parametrize("texts", [1, 5])
def test_the_stepper_gives_the_logits_of_the_model(cell: str, changes: dict[str, object], texts: int) -> None:
    model = make_model(cell=cell, dropout=0.5, **changes)
    state = tuple(0.5 * torch.randn_like(part) for part in model.initial_state(texts))
    stepper = numpy_stepper(model, state)
    model.eval()
    ids = torch.randint(VOCABULARY_SIZE, (20, texts))
    with torch.inference_mode():
        expected, _ = model(ids, state)
    found = np.stack([stepper.step(row.numpy()) for row in ids])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("cell", [name for name, cell in CELLS.items() if cell.numpy_step])
@pytest.mark.parametrize("changes", [{}, {"layer_norm": True}])
def test_in_integers_the_logits_are_nearly_those_of_the_model(
    cell: str, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(cell=cell, **changes)
    ids = torch.randint(VOCABULARY_SIZE, (20, 3))
    with torch.inference_mode():
        expected, _ = model.eval()(ids, model.initial_state(3))
    monkeypatch.setattr(products, "LARGE", 1)
    monkeypatch.setattr(products, "multiplies_int8", lambda: True)
    stepper = numpy_stepper(model, model.initial_state(3))
    found = np.stack([stepper.step(row.numpy()) for row in ids])
    assert found.dtype == np.float32
    difference = np.abs(found - expected.numpy())
    assert 0 < difference.mean() < 0.02 * expected.std().item()


@pytest.mark.parametrize(
    ("cell", "shapes"),
    [
        ("lstm", [(48, 12), (48, 24)]),
        ("gru", [(36, 12), (36, 12), (36, 12)]),  # the recurrent weights of both layers stay apart
        ("rnn", [(12, 12), (12, 24)]),
        ("min_gru", [(24, 12)]),  # the first layer's input is in the table, and its state is not multiplied
    ],
)
def test_integers_may_be_taken_for_what_layers_multiply_and_not_for_the_output(
    cell: str, shapes: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, ...]] = []

    def note(weight: Array) -> Product:
        made.append(weight.shape)
        return products.product(weight)

    monkeypatch.setattr(numpy_inference, "product", note)
    model = make_model(cell=cell)
    numpy_stepper(model, model.initial_state(1))
    assert made == shapes


def test_the_model_stays_as_it_was() -> None:
    model = make_model()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    numpy_stepper(model, model.initial_state(1)).step(np.array([1]))
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())


def test_the_state_it_starts_from_stays_as_it_was() -> None:
    model = make_model()
    state = model.initial_state(2)
    stepper = numpy_stepper(model, state)
    stepper.step(np.array([1, 2]))
    assert all(not part.any() for part in state)


def test_a_state_in_bfloat16_is_read() -> None:
    model = make_model()
    state = tuple(part.bfloat16() for part in model.initial_state(1))
    assert numpy_stepper(model, state).step(np.array([0])).dtype == np.float32
