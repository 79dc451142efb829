"""The space of a sweep: what it means, and how mistakes in it are answered."""

from pathlib import Path

import pytest

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.config.space import Choices, Range, Space, parse_space, read_space
from charrnn.errors import ParamsError

WHOLE = """
model.cell: [lstm, gru]
model.hidden_size: [128, "256"]
model.embedding_size: [null, 64]
model.forget_bias: {low: 0, high: 2, when: {model.cell: lstm}}
training.learning_rate: {low: 1e-3, high: 0.02, log: true}
training.batch_size: {low: 8, high: 32, step: 8}
training.max_minutes: 1
"""


def space_of(text: str, base: Params | None = None) -> Space:
    return parse_space(text, "space.yaml", base or Params())


def mistake(text: str, base: Params | None = None) -> str:
    """Return the line that `text` is answered with."""
    with pytest.raises(ParamsError) as error:
        space_of(text, base)
    line = str(error.value)
    assert line.isprintable()
    assert line.startswith("space.yaml")
    return line.removeprefix("space.yaml: ")


def test_a_space_has_choices_ranges_conditions_and_what_every_trial_takes() -> None:
    space = space_of(WHOLE)
    found = {one.key: one.candidates for one in space.searched}
    assert found["model.hidden_size"] == Choices((128, 256))
    assert found["model.embedding_size"] == Choices((None, 64))
    assert found["training.learning_rate"] == Range(0.001, 0.02, log=True, step=None, whole=False)
    assert found["training.batch_size"] == Range(8, 32, log=False, step=8, whole=True)
    assert space.fixed == {"training.max_minutes": 1.0}


def test_a_condition_says_beside_which_values_a_parameter_is_searched() -> None:
    bias = next(one for one in space_of(WHOLE).searched if one.key == "model.forget_bias")
    assert bias.applies({"model.cell": "lstm"})
    assert not bias.applies({"model.cell": "gru"})
    assert not bias.applies({})


def test_a_trial_takes_its_values_and_the_fixed_ones_and_the_rest_of_the_sweep() -> None:
    base = load_params([], ["training.seed=7"])
    params = space_of(WHOLE).apply(base, {"model.cell": "gru", "training.batch_size": 24})
    assert (params.model.cell, params.training.batch_size, params.training.max_minutes) == ("gru", 24, 1.0)
    assert params.training.seed == 7


def test_a_space_is_written_so_that_it_reads_back_as_the_same() -> None:
    space = space_of(WHOLE)
    assert space_of(space.to_yaml()) == space
    assert space.differences(space_of(space.to_yaml())) == []


def test_what_differs_between_two_spaces_is_named() -> None:
    changed = WHOLE.replace("[lstm, gru]", "[lstm, gru, rnn]").replace("training.max_minutes: 1", "training.seed: 2")
    assert space_of(WHOLE).differences(space_of(changed)) == [
        'model.cell (was ["lstm", "gru"], now ["lstm", "gru", "rnn"])',
        "training.max_minutes (was 1.0, now not there)",
        "training.seed (was not there, now 2)",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("model.hiden_size: [1]", "model.hiden_size: unknown parameter; did you mean model.hidden_size?"),
        ("learning_rate: [1]", "learning_rate: unknown parameter; did you mean training.learning_rate?"),
        ("model: {hidden_size: [1]}", "model: is a section; write its parameters as model.NAME"),
        ("splits.val_fraction: [0.1]", "splits.val_fraction: only model.* and training.* can be searched"),
        ("model.hidden_size: [many]", 'model.hidden_size: must be a whole number, got "many"'),
        ("model.hidden_size: [128, 0]", "model.hidden_size: must be >= 1, got 0"),
        ("model.hidden_size: [128, '128']", 'model.hidden_size: has "128" twice'),
        ("model.cell: [lstm, lstn]", "model.cell: must be 'lstm', 'gru', 'rnn' or 'min_gru', got \"lstn\""),
        ("model.cell: []", "model.cell: must be a list of values that is not empty, got []"),
        ("model.cell: [[lstm]]", "model.cell: each value must be a number, a text, true, false or null"),
        ("model.cell: {low: 1, high: 2}", "model.cell: is no number, so it has no range; give a list of values"),
        ("model.dropout: {low: 0.5, high: 0.5}", "model.dropout: the range is empty: low must be below high"),
        ("model.dropout: {low: 0, high: 1}", "model.dropout: high: must be < 1, got 1"),
        ("model.dropout: {low: 0}", "model.dropout: a range needs low and high, high is not there"),
        ("model.dropout: {low: 0, high: 0.5, log: true}", "model.dropout: low: must be > 0 where log is true, got 0"),
        (
            "model.dropout: {low: 0, high: 0.5, lag: true}",
            "or low and high with log or step, got lag; did you mean log",
        ),
        ("model.dropout: {low: 0, high: 0.5, step: 1}", "model.dropout: step: must be > 0 and at most high - low"),
        (
            "model.hidden_size: {low: 8, high: 16, step: 0.5}",
            "model.hidden_size: step: must be a whole number, got 0.5",
        ),
        (
            "model.hidden_size: {low: 10, high: 65, step: 8}",
            "model.hidden_size: high: must be low plus a multiple of step, such as 58, got 65",
        ),
        (
            "training.learning_rate: {low: 0.001, high: 0.02, step: 1.0e-30}",
            "training.learning_rate: step: must be at least 1.9e-08, got 1e-30; leave it out for no grid",
        ),
        ("model.hidden_size: {low: 8.5, high: 16}", "model.hidden_size: low: must be a whole number, got 8.5"),
        ("training.threads: {low: auto, high: 2}", 'training.threads: low: must be a finite number, got "auto"'),
        (
            "model.cell: [lstm]\nmodel.dropout: {values: [0, 0.1], when: {model.cel: lstm}}",
            "model.dropout: when: model.cel: must be a parameter with a list of values further up; did you",
        ),
        (
            "model.cell: [lstm]\nmodel.dropout: {values: [0, 0.1], when: {model.cell: gru}}",
            'model.dropout: when: model.cell: must be among its values "lstm", got "gru"',
        ),
        (
            "model.cell: [lstm]\nmodel.dropout: {values: [0, 0.1], when: {model.cell: []}}",
            "model.dropout: when: model.cell: must have a value, got []",
        ),
        ("training.max_steps: 5", "searches nothing; give a parameter a list of values, or a map with low and high"),
        ("- model.cell", "must be a map of what is tried, such as 'model.hidden_size: [128, 256]', got"),
        ("", "must be a map of what is tried"),
        (
            "model.tie_weights: [false, true]\nmodel.hidden_size: [64, 128]",
            "with model.tie_weights=true model.hidden_size=128: model: tie_weights needs embedding_size",
        ),
        ("model.cell: [gru]\nmodel.cell: [lstm]", "space.yaml:2: is not valid YAML: the key model.cell is there twice"),
        ('model.cell: ["a\\u001b[31m"]', "model.cell: must be 'lstm'"),
    ],
)
def test_a_mistake_is_answered_with_its_key_what_was_found_and_what_is_allowed(text: str, line: str) -> None:
    assert line in mistake(text)


def test_a_step_is_written_as_the_ends_of_its_range_are() -> None:
    (searched,) = space_of("training.learning_rate: {low: 1e-3, high: 5e-3, step: 1e-3}").searched
    assert searched.candidates == Range(0.001, 0.005, False, 0.001, False)


def test_ranges_whose_ends_contradict_each_other_are_found_before_anything_starts() -> None:
    base = load_params([], ["model.tie_weights=true", "model.embedding_size=64", "model.hidden_size=64"])
    assert "tie_weights needs" in mistake("model.hidden_size: {low: 64, high: 128}", base)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"nowhere.yaml: cannot read the space: No such file"):
        read_space(tmp_path / "nowhere.yaml", Params())
    (tmp_path / "latin.yaml").write_bytes("café".encode("latin-1"))
    with pytest.raises(ParamsError, match=r"latin.yaml: is not UTF-8 text \(byte 3\)"):
        read_space(tmp_path / "latin.yaml", Params())
