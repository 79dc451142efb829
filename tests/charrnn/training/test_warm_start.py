from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import ModelParams, Params, TrainingParams
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, VocabularyError
from charrnn.generation.sampling import sample
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN
from charrnn.training.checkpoint import Checkpoint, checkpoint_of, load_checkpoint, save_checkpoint
from charrnn.training.state import TrainState, new_state
from charrnn.training.warm_start import warm_start
from tests.charrnn.model.leaky_cell import register_leaky_cell

CPU = torch.device("cpu")
INPUTS: dict[str, dict[str, Any]] = {
    "embedding": {"embedding_size": 4},
    "one-hot": {"embedding_size": None},
    "tied": {"embedding_size": 6, "tie_weights": True},
}
CHARACTERS = st.sets(st.characters(), min_size=1, max_size=12)


def params_for(**model: Any) -> Params:
    return Params(model=ModelParams(**{"hidden_size": 6, "num_layers": 2, **model}))


def vocabulary_of(characters: set[str] | str) -> Vocabulary:
    ordered = "".join(sorted(set(characters)))
    return Vocabulary(ordered, (1,) * len(ordered), tuple(range(len(ordered))))


def fresh_model(params: Params, vocabulary: Vocabulary, seed: int = 2) -> CharRNN:
    torch.manual_seed(seed)
    return CharRNN(params.model, vocabulary.size)


def trained(params: Params, vocabulary: Vocabulary) -> Checkpoint:
    """A checkpoint with moments, whose average differs from its weights, as after training."""
    state = new_state(params.model, params.training, vocabulary.size, 2, CPU)
    for parameter in state.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state.optimizer.step()
    if state.average is not None:
        state.average.load_state_dict(fresh_model(params, vocabulary, seed=3).state_dict())
    return checkpoint_of(state, params, vocabulary, "key", "run")


def started(checkpoint: Checkpoint, vocabulary: Vocabulary) -> CharRNN:
    model = fresh_model(checkpoint.params, vocabulary)
    model.load_state_dict(warm_start(checkpoint, vocabulary, model))
    return model.eval()


def rows_of(model: CharRNN, vocabulary: Vocabulary, character: str | None) -> list[torch.Tensor]:
    """Everything in the weights that belongs to one character; None: to the stop symbol."""
    index = vocabulary.stop_id if character is None else vocabulary.characters.index(character)
    inputs = (
        model.rnns[0].get_parameter("weight_ih_l0")[:, index]
        if model.embedding is None
        else model.embedding.weight[index]
    )
    return [inputs, model.decoder.weight[index], model.decoder.bias[index]]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("inputs", INPUTS)
@settings(deadline=None, max_examples=8)
@given(old=CHARACTERS, new=CHARACTERS)
def test_each_character_keeps_what_it_has_learnt_and_new_ones_start_fresh(
    cell: str, inputs: str, old: set[str], new: set[str]
) -> None:
    params = params_for(cell=cell, **INPUTS[inputs])
    before, now = vocabulary_of(old), vocabulary_of(old | new)
    checkpoint = trained(params, before)
    learnt, fresh, model = checkpoint.model(), fresh_model(params, now), started(checkpoint, now)
    for character in [*sorted(old | new), None]:
        known = character is None or character in old
        source = rows_of(learnt, before, character) if known else rows_of(fresh, now, character)
        assert all(map(torch.equal, rows_of(model, now, character), source))
    by_character = {"embedding.weight", "decoder.weight", "decoder.bias"}
    by_character |= {"rnns.0.weight_ih_l0"} if model.embedding is None else set()
    for name, tensor in learnt.state_dict().items():
        assert name in by_character or torch.equal(model.state_dict()[name], tensor)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("layer_norm", [False, True])
@settings(deadline=None, max_examples=8)
@given(old=CHARACTERS, new=CHARACTERS, data=st.data())
def test_known_text_is_read_as_before(
    cell: str, inputs: str, layer_norm: bool, old: set[str], new: set[str], data: st.DataObject
) -> None:
    params = params_for(cell=cell, layer_norm=layer_norm, **INPUTS[inputs])
    before, now = vocabulary_of(old), vocabulary_of(old | new)
    text = "".join(data.draw(st.lists(st.sampled_from(sorted(old)), min_size=1, max_size=20)))
    assert now.decode(now.encode(text)) == text
    checkpoint = trained(params, before)
    found = []
    for model, vocabulary in [(checkpoint.model(), before), (started(checkpoint, now), now)]:
        # In double precision: how many columns a matrix has may change how its products are rounded.
        ids = torch.from_numpy(vocabulary.encode(text).astype("int64"))[:, None]
        state = tuple(part.double() for part in model.initial_state(1))
        logits, _ = model.double()(ids, state)
        places = [*vocabulary.encode(before.characters).tolist(), vocabulary.stop_id]
        found.append(logits[:, 0, places])
    torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-12)
    # Among the old characters, then, the probabilities are the same too.
    torch.testing.assert_close(found[1].softmax(-1), found[0].softmax(-1), rtol=1e-12, atol=1e-12)


def test_a_cell_with_weights_of_other_names_keeps_what_each_character_has_learnt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    params = params_for(embedding_size=None)
    model_params = params.model.model_copy(update={"cell": register_leaky_cell(monkeypatch)})
    params = params.model_copy(update={"model": model_params})
    before, now = vocabulary_of("bd"), vocabulary_of("abcd")
    checkpoint = trained(params, before)
    learnt, fresh, model = (
        model.rnns[0].get_parameter("inwards.weight")
        for model in (checkpoint.model(), fresh_model(params, now), started(checkpoint, now))
    )
    # a and c are new; b, d and the stop symbol were columns 0, 1 and 2.
    expected = torch.stack([fresh[:, 0], learnt[:, 0], fresh[:, 2], learnt[:, 1], learnt[:, 2]], dim=1)
    assert torch.equal(model, expected)


def test_with_the_same_characters_the_same_text_is_written() -> None:
    params, vocabulary = params_for(), vocabulary_of("abcdefg\n")
    checkpoint = trained(params, vocabulary)
    options = SamplingOptions(prime="abc", length=50)
    model = started(checkpoint, vocabulary)
    assert sample(model, vocabulary, options) == sample(checkpoint.model(), vocabulary, options)


def test_tied_weights_stay_tied() -> None:
    params = params_for(**INPUTS["tied"])
    model = started(trained(params, vocabulary_of("abc")), vocabulary_of("abcd"))
    assert model.embedding is not None
    assert model.decoder.weight is model.embedding.weight


@pytest.mark.parametrize("ema_decay", [0.9, None])
def test_the_best_weights_are_taken_and_the_average_starts_from_them(ema_decay: float | None) -> None:
    params, vocabulary = params_for(), vocabulary_of("abc")
    training = TrainingParams(ema_decay=ema_decay)
    checkpoint = trained(params.model_copy(update={"training": training}), vocabulary)
    best = checkpoint.state["average" if ema_decay else "model"]
    state = new_state(params.model, params.training, vocabulary.size, 2, CPU)
    state.load_weights(warm_start(checkpoint, vocabulary, state.model))
    assert state.average is not None
    for name, tensor in best.items():
        assert torch.equal(state.model.state_dict()[name], tensor)
        assert torch.equal(state.average.state_dict()[name], tensor)


def test_everything_but_the_weights_starts_fresh() -> None:
    params, vocabulary = params_for(), vocabulary_of("abc")

    def start(checkpoint: Checkpoint | None) -> tuple[TrainState, torch.Tensor]:
        state = new_state(params.model, params.training, vocabulary.size, 2, CPU)
        if checkpoint:
            state.load_weights(warm_start(checkpoint, vocabulary, state.model))
        return state, torch.get_rng_state()

    checkpoint = trained(params, vocabulary)
    checkpoint = replace(checkpoint, state={**checkpoint.state, "progress": {"step": 77}})
    (warm, warm_random), (cold, cold_random) = start(checkpoint), start(None)
    assert warm.progress == cold.progress
    assert warm.optimizer.state_dict() == cold.optimizer.state_dict()
    assert torch.equal(warm_random, cold_random)


def test_the_average_is_not_the_weights_themselves() -> None:
    params, vocabulary = params_for(), vocabulary_of("abc")
    state = new_state(params.model, params.training, vocabulary.size, 2, CPU)
    state.load_weights(warm_start(trained(params, vocabulary), vocabulary, state.model))
    assert state.average is not None
    before = state.average.decoder.bias.clone()
    with torch.no_grad():
        state.model.decoder.bias.add_(1.0)
    assert torch.equal(state.average.decoder.bias, before)


def test_dropout_may_differ() -> None:
    params, vocabulary = params_for(), vocabulary_of("abc")
    fresh = fresh_model(params_for(input_dropout=0.1, dropout=0.5), vocabulary)
    assert torch.equal(
        warm_start(trained(params, vocabulary), vocabulary, fresh)["decoder.bias"],
        trained(params, vocabulary).model().decoder.bias,
    )


def test_another_shape_is_refused_by_name() -> None:
    vocabulary = vocabulary_of("abc")
    fresh = fresh_model(params_for(hidden_size=8), vocabulary)
    with pytest.raises(CheckpointError, match=r"model\.hidden_size is 6 there and 8 here"):
        warm_start(trained(params_for(), vocabulary), vocabulary, fresh)


def test_a_vocabulary_without_a_known_character_is_refused() -> None:
    fresh = fresh_model(params_for(), vocabulary_of("abc"))
    with pytest.raises(VocabularyError, match="'z' \\(LATIN SMALL LETTER Z\\)"):
        warm_start(trained(params_for(), vocabulary_of("abz")), vocabulary_of("abc"), fresh)


def test_what_is_kept_of_a_checkpoint_is_small_and_makes_the_same_model(tmp_path: Path) -> None:
    checkpoint = trained(params_for(hidden_size=64), vocabulary_of("abc"))
    save_checkpoint(tmp_path / "whole", checkpoint)
    save_checkpoint(tmp_path / "kept", checkpoint.weights_only())
    assert (tmp_path / "kept").stat().st_size < 0.35 * (tmp_path / "whole").stat().st_size
    kept = load_checkpoint(tmp_path / "kept")
    assert (kept.step, kept.run_id, kept.vocabulary) == (checkpoint.step, "run", checkpoint.vocabulary)
    for name, tensor in checkpoint.model().state_dict().items():
        assert torch.equal(kept.model().state_dict()[name], tensor)
