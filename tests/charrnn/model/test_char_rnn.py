import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from charrnn.config.schema import ModelParams
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN, LockedDropout, character_axes, evaluating
from tests.charrnn.model.leaky_cell import register_leaky_cell

PARAMETERS: dict[str, Callable[[int, int], int]] = {
    "lstm": lambda inputs, hidden: 4 * (inputs * hidden + hidden * hidden + 2 * hidden),
    "gru": lambda inputs, hidden: 3 * (inputs * hidden + hidden * hidden + 2 * hidden),
    "rnn": lambda inputs, hidden: inputs * hidden + hidden * hidden + 2 * hidden,
    "min_gru": lambda inputs, hidden: 2 * (inputs * hidden + hidden),
}
"""Parameters of one layer of each cell, counted by hand."""
STATE_TENSORS = {"lstm": 2, "gru": 1, "rnn": 1, "min_gru": 1}
VOCABULARY_SIZE = 7
VARIANTS: dict[str, dict[str, object]] = {
    "embedding": {},
    "one-hot": {"embedding_size": None},
    "tied": {"embedding_size": 5, "tie_weights": True},
    "layer norm": {"layer_norm": True},
    "tied, layer norm": {"embedding_size": 5, "tie_weights": True, "layer_norm": True},
    "one-hot, layer norm, one layer": {"embedding_size": None, "layer_norm": True, "num_layers": 1},
}


def build(cell: str, variant: str, seed: int = 0, **changes: object) -> CharRNN:
    torch.manual_seed(seed)
    values = {"cell": cell, "hidden_size": 5, "num_layers": 2, "embedding_size": 4, **VARIANTS[variant], **changes}
    return CharRNN(ModelParams.model_validate(values), VOCABULARY_SIZE)


@pytest.fixture(params=list(itertools.product(CELLS, VARIANTS)), ids=" ".join)
def model(request: pytest.FixtureRequest) -> CharRNN:
    """Every cell in every variant, in float64."""
    return build(*request.param).double()


@pytest.fixture
def text() -> Tensor:
    """Ids of three streams: (51, 3) int64."""
    return torch.randint(VOCABULARY_SIZE, (51, 3), generator=torch.Generator().manual_seed(1))


def losses_of(model: CharRNN, text: Tensor, window: int) -> Tensor:
    """Loss of every prediction, read in windows with the state carried over."""
    state, losses = model.initial_state(text.shape[1]), []
    for start in range(0, len(text) - 1, window):
        piece = text[start : start + window + 1]
        logits, state = model(piece[:-1], state)
        losses.append(F.cross_entropy(logits.flatten(0, 1), piece[1:].flatten(), reduction="none"))
    return torch.cat(losses)


def test_the_gradient_of_a_window_agrees_with_finite_differences(model: CharRNN, text: Tensor) -> None:
    def loss() -> Tensor:
        return losses_of(model, text[:13], 12).mean()

    torch.autograd.backward(loss())
    generator = torch.Generator().manual_seed(2)
    step = 2e-4
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        weights, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for index in torch.randperm(len(weights), generator=generator)[:4].tolist():
            here, values = weights[index].item(), []
            for offset in (-2, -1, 1, 2):
                weights[index] = here + offset * step
                with torch.no_grad():
                    values.append(loss().item())
            weights[index] = here
            expected = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
            assert gradient[index].item() == pytest.approx(expected, rel=1e-6, abs=1e-10), name


def test_two_windows_with_the_state_carried_over_are_one_window_of_both(model: CharRNN, text: Tensor) -> None:
    torch.testing.assert_close(losses_of(model, text, 25), losses_of(model, text, 50), rtol=1e-12, atol=1e-12)


def test_the_carried_state_matters(model: CharRNN, text: Tensor) -> None:
    whole = losses_of(model, text, 50).view(50, 3)
    second = losses_of(model, text[25:], 25).view(25, 3)
    assert not torch.allclose(whole[25:28], second[:3], rtol=1e-6)


def test_a_logit_depends_on_no_later_character_and_on_no_other_stream(model: CharRNN, text: Tensor) -> None:
    other = text.clone()
    other[30, 1] = (other[30, 1] + 1) % VOCABULARY_SIZE
    before, _ = model(text, model.initial_state(3))
    after, _ = model(other, model.initial_state(3))
    changed = (before != after).any(-1)
    assert not changed[:30].any()
    assert changed[30:35, 1].all()
    assert not changed[:, [0, 2]].any()


def test_logits_and_state_have_the_shapes_they_are_said_to_have(model: CharRNN, text: Tensor) -> None:
    state = model.initial_state(3)
    logits, after = model(text, state)
    assert logits.shape == (51, 3, VOCABULARY_SIZE)
    shape = (model.params.num_layers, 3, model.params.hidden_size)
    assert [tensor.shape for tensor in state] == [shape] * STATE_TENSORS[model.params.cell]
    assert [tensor.shape for tensor in after] == [tensor.shape for tensor in state]
    assert all(tensor.dtype == torch.float64 and not tensor.any() for tensor in state)


@pytest.mark.parametrize(("cell", "variant"), list(itertools.product(CELLS, VARIANTS)))
def test_the_number_of_parameters_is_the_one_counted_by_hand(cell: str, variant: str) -> None:
    params = build(cell, variant).params
    hidden, size = params.hidden_size, params.embedding_size
    inputs = [size or VOCABULARY_SIZE, *[hidden] * (params.num_layers - 1)]
    expected = sum(PARAMETERS[cell](width, hidden) for width in inputs)
    expected += 2 * hidden * params.num_layers if params.layer_norm else 0
    expected += 0 if size is None or params.tie_weights else VOCABULARY_SIZE * size
    expected += hidden * VOCABULARY_SIZE + VOCABULARY_SIZE
    assert build(cell, variant).num_parameters == expected


@pytest.mark.parametrize("variant", ["tied", "tied, layer norm"])
def test_tied_weights_stay_one_tensor_while_they_are_trained(variant: str, text: Tensor) -> None:
    model = build("lstm", variant)
    before = model.decoder.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.autograd.backward(losses_of(model, text, 50).mean())
    optimizer.step()
    assert model.embedding is not None
    assert model.embedding.weight is model.decoder.weight
    assert not torch.equal(model.decoder.weight, before)


@pytest.mark.parametrize("cell", CELLS)
def test_one_hot_equals_an_embedding_with_identity_weights(cell: str, text: Tensor) -> None:
    one_hot, embedded = build(cell, "one-hot"), build(cell, "embedding", embedding_size=VOCABULARY_SIZE)
    assert embedded.embedding is not None
    embedded.load_state_dict({**one_hot.state_dict(), "embedding.weight": torch.eye(VOCABULARY_SIZE)})
    assert torch.equal(losses_of(one_hot, text, 50), losses_of(embedded, text, 50))


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("value", [0.0, 1.0, -2.5])
def test_forget_gates_start_with_the_bias_asked_for_and_no_other_gate_does(value: float, layer_norm: bool) -> None:
    model, plain = (build("lstm", "embedding", forget_bias=bias, layer_norm=layer_norm) for bias in (value, 7.0))
    biases = [{name: part for name, part in one.rnns.named_parameters() if ".bias_" in name} for one in (model, plain)]
    names = [name for name in biases[0] if ".bias_ih_" in name]
    assert len(names) == 2
    for name in names:
        input_gate, forget, *rest = (biases[0][name] + biases[0][name.replace("_ih_", "_hh_")]).chunk(4)
        assert torch.equal(forget, torch.full_like(forget, value))
        others = (biases[1][name] + biases[1][name.replace("_ih_", "_hh_")]).chunk(4)
        assert all(map(torch.equal, [input_gate, *rest], [others[0], *others[2:]]))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("variant", ["embedding", "layer norm"])
def test_dropout_acts_in_training_only_after_every_layer(cell: str, variant: str, layers: int, text: Tensor) -> None:
    model = build(cell, variant, dropout=0.5, num_layers=layers)
    once, again = losses_of(model, text, 50), losses_of(model, text, 50)
    assert not torch.equal(once, again)
    model.eval()
    assert torch.equal(losses_of(model, text, 50), losses_of(model, text, 50))
    without = build(cell, variant, dropout=0.0, num_layers=layers)
    assert torch.equal(losses_of(model, text, 50), losses_of(without, text, 50))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("variant", ["embedding", "layer norm"])
def test_dropout_acts_between_layers_and_not_on_the_state_of_the_first(cell: str, variant: str, text: Tensor) -> None:
    model = build(cell, variant, dropout=0.5)
    (once, *_), (again, *_) = (model(text, model.initial_state(3))[1] for _ in range(2))
    assert torch.equal(once[0], again[0])
    assert not torch.equal(once[1], again[1])


def test_layers_are_normalised_before_dropout_so_that_what_is_dropped_is_zero(text: Tensor) -> None:
    model = build("lstm", "layer norm", dropout=0.5, hidden_size=50)
    entered: list[Tensor] = []
    for module in (model.rnns[1], model.decoder):
        module.register_forward_pre_hook(lambda _, arguments: entered.append(arguments[0]))
    model(text, model.initial_state(3))
    assert len(entered) == 2
    for x in entered:
        dropped = (x == 0).all(0)
        assert 0.25 < dropped.float().mean() < 0.75
        assert x[:, ~dropped].ne(0).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("variant", ["embedding", "one-hot"])
def test_input_dropout_acts_in_training_only_before_the_first_layer(cell: str, variant: str, text: Tensor) -> None:
    model = build(cell, variant, input_dropout=0.5)
    (once, *_), (again, *_) = (model(text, model.initial_state(3))[1] for _ in range(2))
    assert not torch.equal(once[0], again[0])
    without = build(cell, variant)
    assert torch.equal(losses_of(model.eval(), text, 50), losses_of(without, text, 50))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_locked_mask_is_the_same_at_each_step_and_another_for_each_stream_and_window(dtype: torch.dtype) -> None:
    dropout = LockedDropout(0.4)
    x = torch.full((7, 50, 80), 3.0, dtype=dtype)
    first, second = dropout(x), dropout(x)
    assert (first == first[0]).all()
    assert not torch.equal(first, second)
    assert not torch.equal(first[0, 0], first[0, 1])
    assert first.dtype == torch.promote_types(dtype, torch.float32)
    torch.testing.assert_close(first[first != 0], torch.full_like(first[first != 0], 5.0))
    assert (first == 0).float().mean().item() == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize(("cell", "variant"), list(itertools.product(CELLS, VARIANTS)))
def test_the_same_seed_gives_the_same_weights_and_another_gives_others(cell: str, variant: str) -> None:
    first, again, other = (build(cell, variant, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_an_untrained_model_finds_all_characters_about_equally_likely(text: Tensor) -> None:
    logits, _ = build("lstm", "embedding", hidden_size=64)(
        text, build("lstm", "embedding", hidden_size=64).initial_state(3)
    )
    probabilities = torch.softmax(logits, -1)
    assert probabilities.min() > 0.3 / VOCABULARY_SIZE
    assert probabilities.max() < 3 / VOCABULARY_SIZE


@pytest.mark.parametrize("training", [True, False])
def test_evaluating_restores_the_mode_also_after_an_error_and_within_itself(training: bool, model: CharRNN) -> None:
    model.train(training)

    def fail() -> None:
        with evaluating(model):
            with evaluating(model):
                assert not any(module.training for module in model.modules())
            assert not any(module.training for module in model.modules())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert all(module.training == training for module in model.modules())


@pytest.mark.parametrize(("cell", "variant"), list(itertools.product(CELLS, VARIANTS)))
def test_weights_of_characters_are_those_of_the_output_and_of_the_first_input(cell: str, variant: str) -> None:
    params = build(cell, variant).params
    first = {"rnns.0.weight_ih_l0": 1} if params.embedding_size is None else {"embedding.weight": 0}
    random = torch.get_rng_state()
    assert character_axes(params) == {**first, "decoder.weight": 0, "decoder.bias": 0}
    assert torch.equal(torch.get_rng_state(), random)


def test_weights_of_characters_are_found_whatever_a_cell_calls_them(monkeypatch: pytest.MonkeyPatch) -> None:
    params = build("rnn", "one-hot").params.model_copy(update={"cell": register_leaky_cell(monkeypatch)})
    assert character_axes(params) == {"rnns.0.inwards.weight": 1, "decoder.weight": 0, "decoder.bias": 0}
