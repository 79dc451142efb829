import pytest
import torch
from torch import nn

from charrnn.config.schema import ModelParams
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN
from charrnn.model.stack import stacked


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_layers_in_one_module_compute_what_they_compute_one_by_one(cell: str) -> None:
    model = CharRNN(ModelParams(cell=cell, num_layers=3, hidden_size=5, embedding_size=4), 9)
    random = torch.get_rng_state()
    ids, state = torch.arange(12).reshape(6, 2) % 9, tuple(part + 0.5 for part in model.initial_state(2))
    expected, after = model(ids, state)
    torch.autograd.backward(expected.square().sum())
    gradients = {name: weight.grad for name, weight in model.named_parameters()}
    model.zero_grad()
    names = list(model.state_dict())

    model._stack = (stacked([layer for layer in model.rnns if isinstance(layer, nn.RNNBase)]),)
    found, found_after = model(ids, state)
    torch.autograd.backward(found.square().sum())
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_after, after)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, gradients[name])
    assert list(model.state_dict()) == names
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("cell", CELLS)
def test_on_a_cpu_layers_stay_apart(cell: str) -> None:
    model = CharRNN(ModelParams(cell=cell, num_layers=2, hidden_size=5), 9).to("cpu")
    model.flatten_parameters()
    assert not model._stack
