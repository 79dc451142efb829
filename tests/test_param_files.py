from pathlib import Path

import pytest

from charrnn.errors import ParamsError
from charrnn.param_files import check_resumable, flatten, load_params, to_yaml

WRONG = [
    ("training.learnin_rate=1", "did you mean training.learning_rate?"),
    ("training.learning_rate=-1", "training.learning_rate: must be > 0, got -1"),
    ("training.max_steps=true", "training.max_steps: must be a number, got true"),
    ("training.max_steps=1.5", "must be a whole number, got 1.5"),
    ("training.max_minutes=.inf", "must be a finite number"),
    ("model.cell=foo", "'lstm', 'gru' or 'rnn', got \"foo\""),
    ("model.tie_weights=true", "needs embedding_size = hidden_size = 256, got 64"),
    ("trainin.seed=1", "did you mean training?"),
    ("nonsense", "must be section.name=value"),
]


@pytest.mark.parametrize(("override", "message"), WRONG)
def test_a_wrong_override_is_one_line_with_what_was_found_and_what_is_allowed(override: str, message: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load_params([], [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_overrides_are_typed_by_the_schema() -> None:
    params = load_params([], ["training.learning_rate=1e-2", "sampling.prime=ROMEO:", "tracking.run_name=123"])
    assert params.training.learning_rate == 0.01
    assert params.sampling.prime == "ROMEO:"
    assert params.tracking.run_name == "123"


def test_later_overlays_win_and_maps_merge(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("training: {seq_length: 7, batch_size: 3}\n")
    second.write_text("training: {batch_size: 4}\n")
    training = load_params([first, second]).training
    assert (training.seq_length, training.batch_size) == (7, 4)


def test_yaml_that_does_not_parse_is_told_with_its_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("training:\n  seed: [1\n")
    with pytest.raises(ParamsError, match=r"broken\.yaml:3: is not valid YAML"):
        load_params([broken])


def test_credentials_are_not_written_down_and_the_rest_reads_back(tmp_path: Path) -> None:
    params = load_params([], ["data.sources=['https://me:hunter2@host/a.txt?token=abc']", "training.seed=9"])
    assert "hunter2" not in to_yaml(params) + str(flatten(params))
    assert "abc" not in flatten(params)["data.sources"]
    (tmp_path / "resolved.yaml").write_text(to_yaml(params))
    assert load_params([tmp_path / "resolved.yaml"]).training.seed == 9


def test_a_resumed_run_keeps_its_parameters_but_may_train_longer() -> None:
    before = load_params([], ["training.max_steps=5"])
    check_resumable(before, load_params([], ["training.max_steps=9"]))
    with pytest.raises(ParamsError, match=r"model\.hidden_size \(was 256, now 9\)"):
        check_resumable(before, load_params([], ["training.max_steps=5", "model.hidden_size=9"]))
