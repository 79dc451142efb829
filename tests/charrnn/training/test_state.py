from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.streams import Streams
from charrnn.errors import CheckpointError
from charrnn.training.events import Steps
from charrnn.training.loop import train
from charrnn.training.optimizers import OPTIMIZERS
from charrnn.training.state import TrainState, new_state
from tests.charrnn.training.nested import equal

CPU = torch.device("cpu")
SIZE = 6
IDS = np.random.default_rng(0).integers(0, SIZE - 1, 400).astype(np.uint8)


def params_for(optimizer: str, *overrides: str) -> Params:
    texts = [f"training.optimizer={optimizer}", "training.max_steps=4", "training.max_minutes=null"]
    texts += ["model.hidden_size=5", "model.num_layers=2", "model.embedding_size=4", "model.dropout=0.3"]
    texts += ["training.weight_decay=0.01", "training.schedule=constant", "training.learning_rate=0.01"]
    return load_params([], [*texts, *overrides])


def fresh(params: Params, batch_size: int = 3) -> TrainState:
    return new_state(params.model, params.training, SIZE, batch_size, CPU)


def train_on(state: TrainState, params: Params, steps: int) -> list[float]:
    training = params.training.model_copy(update={"max_steps": state.progress.step + steps})
    events = train(state, Streams(IDS, 3, 10, CPU), None, params.model_copy(update={"training": training}))
    return [loss for event in events if isinstance(event, Steps) for loss in event.losses]


def trained(params: Params) -> TrainState:
    state = fresh(params)
    train_on(state, params, 4)
    return state


@pytest.fixture(params=OPTIMIZERS)
def params(request: pytest.FixtureRequest) -> Params:
    return params_for(request.param)


def test_what_is_saved_is_what_is_loaded(params: Params) -> None:
    state = trained(params)
    values = state.to_dict()
    other = fresh(params_for(params.training.optimizer, "training.seed=99"))
    torch.manual_seed(123)
    assert not equal(other.to_dict(), values)
    other.load_dict(values)
    assert equal(other.to_dict(), values)


def test_going_on_from_loaded_values_is_going_on(params: Params) -> None:
    state = trained(params)
    values = state.to_dict()
    expected = train_on(state, params, 5)
    other = fresh(params)
    other.load_dict(values)
    assert train_on(other, params, 5) == expected
    assert equal(other.to_dict()["model"], state.to_dict()["model"])


def test_training_on_changes_neither_what_was_saved_nor_what_was_loaded(params: Params) -> None:
    state = trained(params)
    values, kept = state.to_dict(), state.to_dict()
    train_on(state, params, 3)
    assert equal(values, kept)
    state.load_dict(values)
    train_on(state, params, 3)
    assert equal(values, kept)


def test_saved_values_are_on_the_cpu_and_plain_enough_to_be_read_without_executing_anything(params: Params) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            assert type(value) is dict
            for key, item in value.items():
                assert isinstance(key, str | int)
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, Tensor):
            assert type(value) is Tensor
            assert (value.device, value.requires_grad) == (CPU, False)
        else:
            assert value is None or isinstance(value, bool | int | float | str)

    walk(trained(params).to_dict())


@pytest.mark.parametrize("saved", OPTIMIZERS)
@pytest.mark.parametrize("loading", OPTIMIZERS)
def test_values_of_another_optimizer_are_refused(saved: str, loading: str) -> None:
    values, state = trained(params_for(saved)).to_dict(), fresh(params_for(loading))
    if saved == loading:
        state.load_dict(values)
        return
    with pytest.raises(CheckpointError, match="the checkpoint does not fit the optimizer: ") as caught:
        state.load_dict(values)
    assert "\n" not in str(caught.value)


OTHERS = {
    "model.hidden_size=4": "does not fit the model: rnns.0.weight_ih_l0 is (20, 4) in the checkpoint, (16, 4) in",
    "model.num_layers=1": "does not fit the model: rnns.1.weight_ih_l0 is (20, 5) in the checkpoint, not there in",
    "model.num_layers=3": "does not fit the model: rnns.2.weight_ih_l0 is missing in the checkpoint",
    "model.embedding_size=null": "does not fit the model: rnns.0.weight_ih_l0 is (20, 4) in the checkpoint, (20, 6) in",
    "model.cell=gru": "does not fit the model: rnns.0.weight_ih_l0 is (20, 4) in the checkpoint, (15, 4) in",
    "model.layer_norm=true": "does not fit the model: ",
    "training.weight_decay=0.5": "does not fit the optimizer: weight_decay is 0.01 in the checkpoint, 0.5 here",
}


@pytest.mark.parametrize("override", OTHERS)
def test_values_of_another_model_are_refused_and_the_state_stays_as_it_was(override: str) -> None:
    state = fresh(params_for("adam", override))
    before, values = state.to_dict(), trained(params_for("adam")).to_dict()
    torch.set_rng_state(before["rng"])
    with pytest.raises(CheckpointError) as caught:
        state.load_dict(values)
    assert OTHERS[override] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert equal(state.to_dict(), before)


def test_values_of_another_number_of_streams_are_refused() -> None:
    values = trained(params_for("adam")).to_dict()
    with pytest.raises(CheckpointError, match=r"does not fit the streams: .*\(2, 3, 5\).* must be .*\(2, 4, 5\)"):
        fresh(params_for("adam"), batch_size=4).load_dict(values)


def put(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(values: dict[str, Any]) -> None:
        inner: Any = values
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return change


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda values: values.pop(name)


DAMAGE = {
    "no weights": (without("model"), "model: Field required"),
    "no optimizer": (without("optimizer"), "optimizer: Field required"),
    "no progress": (without("progress"), "progress: Field required"),
    "a text for a tensor": (put("model", "decoder.bias", value="x"), "model.decoder.bias: "),
    "a tensor for weights": (put("model", value=torch.zeros(3)), "model: "),
    "a number for the average": (put("average", value=3), "average: "),
    "a weight of another shape": (
        put("model", "decoder.bias", value=torch.zeros(1)),
        "does not fit the model: decoder.bias is (1,) in the checkpoint, (6,) in the model",
    ),
    "an average of another shape": (
        put("average", "decoder.bias", value=torch.zeros(1)),
        "does not fit the model: decoder.bias is (1,) in the checkpoint, (6,) in the model",
    ),
    "no list of states": (put("hidden", value=5), "hidden: "),
    "a text for a step": (put("progress", "step", value="many"), "progress.step: "),
    "half a step": (put("progress", "step", value=1.5), "progress.step: "),
    "a negative window": (put("progress", "window", value=-1), "window must be >= 0, got -1"),
    "threads without number": (put("progress", "threads", value=10**9), "threads: Input should be less than or equal"),
    "no threads": (put("progress", "threads", value=0), "threads: Input should be greater than or equal to 1"),
    "time that is no number": (put("progress", "elapsed", value=float("nan")), "elapsed must be >= 0, got nan"),
    "progress of a later version": (put("progress", "moon", value=1), "progress.moon: "),
    "no random state": (put("rng", value=torch.zeros(3)), "rng: "),
    "a random state cut short": (put("rng", value=torch.zeros(16, dtype=torch.uint8)), "rng: "),
    "no settings": (put("optimizer", "param_groups", value=[]), "optimizer.param_groups: "),
    "a list of moments": (put("optimizer", "state", value=[1]), "optimizer.state: "),
    "a text for a moment": (put("optimizer", "state", 0, "exp_avg", value="x"), "optimizer.state.0.exp_avg"),
    "a moment of another shape": (
        put("optimizer", "state", 0, "exp_avg", value=torch.zeros(2, 2)),
        "exp_avg of tensor 0 is (2, 2) in the checkpoint, (6, 4) in the model",
    ),
    "moments of a weight that is not there": (
        put("optimizer", "state", 99, value={"exp_avg": torch.zeros(2)}),
        "exp_avg of tensor 99 is (2,) in the checkpoint, not there in the model",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_values_are_refused_in_one_line_and_the_state_stays_as_it_was(damage: str) -> None:
    change, message = DAMAGE[damage]
    state = trained(params_for("adam"))
    values, before = state.to_dict(), state.to_dict()
    change(values)
    with pytest.raises(CheckpointError) as caught:
        state.load_dict(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert equal(state.to_dict(), before)


@pytest.mark.parametrize("ema_decay", ["0.9", "null"])
def test_the_best_model_is_the_average_where_there_is_one(ema_decay: str) -> None:
    params = params_for("adam", f"training.ema_decay={ema_decay}")
    state = trained(params)
    weights, best = state.model.decoder.weight, state.best_model.decoder.weight
    assert torch.equal(weights, best) == (ema_decay == "null")
    assert best.requires_grad == (ema_decay == "null")
    assert (state.to_dict()["average"] is None) == (ema_decay == "null")


def test_an_average_starts_from_the_weights_where_the_checkpoint_has_none() -> None:
    values = trained(params_for("adam", "training.ema_decay=null")).to_dict()
    state = fresh(params_for("adam"))
    state.load_dict(values)
    assert equal(dict(state.best_model.state_dict()), values["model"])


def test_a_fresh_state_depends_on_nothing_but_its_seed() -> None:
    params = params_for("adam")
    first = fresh(params).to_dict()
    torch.rand(100)
    assert equal(fresh(params).to_dict(), first)
    assert not equal(fresh(params_for("adam", "training.seed=2")).to_dict(), first)


@pytest.mark.parametrize(
    ("optimizer", "kind", "settings"),
    [
        ("adam", torch.optim.Adam, {"weight_decay": 0.01, "betas": (0.8, 0.99), "decoupled_weight_decay": False}),
        ("adamw", torch.optim.AdamW, {"weight_decay": 0.01, "betas": (0.8, 0.99), "decoupled_weight_decay": True}),
        ("sgd", torch.optim.SGD, {"weight_decay": 0.01, "momentum": 0.9}),
        ("rmsprop", torch.optim.RMSprop, {"weight_decay": 0.01, "alpha": 0.95}),
    ],
)
def test_the_optimizer_is_the_one_asked_for_over_every_weight(
    optimizer: str, kind: type[torch.optim.Optimizer], settings: dict[str, object]
) -> None:
    state = fresh(params_for(optimizer, "training.beta1=0.8", "training.beta2=0.99"))
    (group,) = state.optimizer.param_groups
    assert isinstance(state.optimizer, kind)
    assert {name: group[name] for name in settings} == settings
    assert [id(weights) for weights in group["params"]] == [id(weights) for weights in state.model.parameters()]
