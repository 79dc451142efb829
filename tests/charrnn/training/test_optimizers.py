import subprocess
import sys
from typing import get_args

import pytest
import torch
from torch import nn

from charrnn.config.schema import TrainingParams
from charrnn.training.optimizers import OPTIMIZERS, make_optimizer
from charrnn.training.schedules import SCHEDULES

WITHOUT_COMPILER = """
import sys
from charrnn.config.schema import ModelParams, TrainingParams
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import shapes_of
from charrnn.training.optimizers import OPTIMIZERS
from charrnn.training.state import new_state
import torch

for cell in CELLS:
    for layer_norm in (False, True):
        shapes_of(ModelParams(cell=cell, hidden_size=4, num_layers=2, layer_norm=layer_norm), 5)
for name in OPTIMIZERS:
    params = TrainingParams(optimizer=name)
    for _ in range(2):
        state = new_state(ModelParams(hidden_size=4), params, 5, 2, torch.device("cpu"))
        logits, _ = state.model(torch.zeros(3, 2, dtype=torch.long), state.hidden)
        state.optimizer.zero_grad(set_to_none=True)
        logits.sum().backward()
        state.optimizer.step()
        state.load_dict(state.to_dict())
print(*(name for name in sys.modules if name.startswith("torch._dynamo")))
"""


def test_the_parameters_name_the_entries_of_the_tables() -> None:
    for field, table in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        assert set(get_args(TrainingParams.model_fields[field].annotation)) == set(table)


def test_no_step_state_or_shape_imports_pytorchs_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_COMPILER], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_and_states_are_those_of_pytorchs_own_optimizer_bit_for_bit(name: str) -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 4), nn.Linear(5, 4)
    theirs.load_state_dict(ours.state_dict())
    params = TrainingParams(optimizer=name, weight_decay=0.01)
    optimizer = make_optimizer(ours, params)
    (kind,) = type(optimizer).__bases__
    implied = ("params", "decoupled_weight_decay")
    given = {key: value for key, value in optimizer.param_groups[0].items() if key not in implied}
    other = kind(theirs.parameters(), **given)
    assert kind is getattr(torch.optim, type(optimizer).__name__)
    for _ in range(5):
        inputs = torch.randn(3, 5)
        for model, one in ((ours, optimizer), (theirs, other)):
            one.zero_grad(set_to_none=True)
            torch.autograd.backward(model(inputs).square().sum())
            one.step()
        assert all(torch.equal(*pair) for pair in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert all(weight.requires_grad and weight.grad_fn is None for weight in ours.parameters())
    found, expected = optimizer.state_dict(), other.state_dict()
    assert found["param_groups"] == expected["param_groups"]
    for number, moments in expected["state"].items():
        for key, value in moments.items():
            assert torch.equal(torch.as_tensor(found["state"][number][key]), torch.as_tensor(value))
