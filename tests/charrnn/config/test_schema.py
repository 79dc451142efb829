import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from charrnn.config.schema import DataParams, ModelParams, Params, SamplingParams, SplitParams, TrackingParams

SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation for name, field in Params.model_fields.items() if isinstance(field.annotation, type)
}

AT_LEAST_ONE = """data.max_length data.min_count data.max_characters data.max_vocabulary model.hidden_size
    model.num_layers
    model.embedding_size training.seq_length training.batch_size training.epochs training.max_steps
    training.decay_patience training.patience training.processes training.log_every evaluation.every_steps
    evaluation.max_characters evaluation.batch_size evaluation.probe_window checkpoint.every_steps
    checkpoint.keep_every_steps sampling.length sampling.top_k sampling.num_samples"""
AT_LEAST_ZERO = """training.warmup_steps training.max_rollbacks evaluation.sample_length tasks.retries tasks.recoveries
    data.min_length"""
MORE_THAN_ZERO = """data.max_megabytes data.timeout_seconds training.max_minutes training.learning_rate
    training.decay_epochs training.grad_clip training.spike_threshold
    drift.max_distance drift.max_loss evaluation.every_seconds checkpoint.every_seconds tasks.timeout_minutes"""

# Keys, what each may be at the utmost, and what is just too much.
BOUNDS: list[tuple[str, list[float], list[float]]] = [
    (AT_LEAST_ONE, [1, 10**6], [0, -1, 1.5]),
    ("training.threads", [1, 1024], [0, -1, 1.5, 1025]),
    (AT_LEAST_ZERO, [0, 10**6], [-1, 0.5]),
    (MORE_THAN_ZERO, [5e-324, 1e300], [0, -5e-324, -1]),
    (
        "training.weight_decay tasks.retry_delay_seconds evaluation.adaptive_seconds report.seconds drift.min_size",
        [0, 1e300],
        [-5e-324, -1],
    ),
    ("splits.val_fraction splits.test_fraction", [0, 0.9], [-5e-324, 1]),
    (
        "model.input_dropout model.dropout training.final_fraction training.beta1 training.beta2 "
        "training.label_smoothing training.restart_probability drift.max_unseen drift.max_repeated",
        [0, math.nextafter(1, 0)],
        [-5e-324, 1],
    ),
    ("training.decay_factor training.ema_decay", [5e-324, math.nextafter(1, 0)], [0, 1]),
    ("sampling.top_p sampling.min_p", [5e-324, 1], [0, math.nextafter(1, 2)]),
    ("tracking.promotion_confidence evaluation.max_share", [5e-324, 1], [0, math.nextafter(1, 2)]),
    ("tracking.approval_hours", [5e-324, 8760], [0, math.nextafter(8760, 9000)]),
    ("training.seed sampling.seed splits.seed", [0, 2**63 - 1], [-1, 2**63]),
    ("model.forget_bias", [-1e300, 1e300], []),
]
NUMBERS = [(key, allowed, refused) for keys, allowed, refused in BOUNDS for key in keys.split()]
KEYS = [key for key, _, _ in NUMBERS]


def with_value(key: str, value: Any) -> Any:
    """Return what `key` is when only it is set."""
    section, name = key.split(".")
    others: dict[str, dict[str, Any]] = {
        "splits.val_fraction": {"test_fraction": 0},
        "splits.test_fraction": {"val_fraction": 0},
        "data.max_length": {"documents": "lines"},
    }
    other = others.get(key, {})
    return getattr(SECTIONS[section].model_validate({**other, name: value}), name)


def allows_null(key: str) -> bool:
    section, name = key.split(".")
    return "null" in str(SECTIONS[section].model_json_schema()["properties"][name])


# Numbers


def test_every_number_is_in_these_tests() -> None:
    kinds = {
        f"{name}.{key}": str(schema)
        for name, section in SECTIONS.items()
        for key, schema in section.model_json_schema()["properties"].items()
    }
    numbers = {key for key, kind in kinds.items() if "'integer'" in kind or "'number'" in kind}
    assert numbers == {*KEYS, "sampling.temperatures"}


@pytest.mark.parametrize(("key", "allowed", "refused"), NUMBERS, ids=KEYS)
def test_a_number_may_be_as_much_as_documented_and_no_more(
    key: str, allowed: list[float], refused: list[float]
) -> None:
    for value in allowed:
        assert with_value(key, value) == value
    for value in refused:
        with pytest.raises(ValidationError):
            with_value(key, value)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [True, False, math.nan, math.inf, -math.inf, "many", "", [1], {}])
def test_what_is_no_number_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        with_value(key, value)


@pytest.mark.parametrize("key", KEYS)
def test_null_is_allowed_where_it_is_documented_and_nowhere_else(key: str) -> None:
    if allows_null(key):
        assert with_value(key, None) is None
    else:
        with pytest.raises(ValidationError):
            with_value(key, None)


def test_a_number_written_as_text_is_one() -> None:
    assert with_value("training.learning_rate", "1e-2") == 0.01  # which YAML reads as text
    assert with_value("training.seq_length", "48") == 48
    assert with_value("training.seq_length", 48.0) == 48


# Lists and texts


@pytest.mark.parametrize("value", [0.7, "0.7", [0.7], (0.7,)])
def test_one_temperature_is_a_list_of_one(value: Any) -> None:
    assert SamplingParams.model_validate({"temperatures": value}).temperatures == (0.7,)


@pytest.mark.parametrize("value", [[], None, True, [True], -0.1, [0.5, -1], [math.inf], {"a": 1}])
def test_temperatures_are_numbers_of_at_least_zero(value: Any) -> None:
    assert SamplingParams(temperatures=(0.0, 2.0)).temperatures == (0.0, 2.0)
    with pytest.raises(ValidationError):
        SamplingParams.model_validate({"temperatures": value})


def test_one_source_is_a_list_of_one() -> None:
    assert DataParams.model_validate({"sources": "a.txt"}).sources == ("a.txt",)
    assert DataParams.model_validate({"sources": ["b.txt", 1984]}).sources == ("b.txt", "1984")


@pytest.mark.parametrize("value", [[], None, True, "", [""], ["a", None], "a\0b", {"a": "b"}, "\ud800"])
def test_sources_are_texts_that_can_be_names(value: Any) -> None:
    with pytest.raises(ValidationError):
        DataParams.model_validate({"sources": value})


@pytest.mark.parametrize(
    ("section", "name"), [(DataParams, "directory"), (TrackingParams, "experiment"), (DataParams, "encoding")]
)
@pytest.mark.parametrize("value", [None, True, ["a"], {"a": 1}])
def test_what_is_no_text_is_refused(section: type[BaseModel], name: str, value: Any) -> None:
    assert getattr(section.model_validate({name: 1984}), name) == "1984"
    with pytest.raises(ValidationError):
        section.model_validate({name: value})


@pytest.mark.parametrize("value", ["", "a\0b"])
def test_a_folder_and_an_experiment_have_names(value: str) -> None:
    with pytest.raises(ValidationError):
        DataParams(directory=value)
    with pytest.raises(ValidationError):
        TrackingParams(experiment=value)


def test_tags_are_texts_by_name() -> None:
    assert TrackingParams.model_validate({"tags": {"a": 1, "b": "x"}}).tags == {"a": "1", "b": "x"}
    refused: list[object] = [{"a": True}, {"a": None}, {"a": {}}, ["a"], "a"]
    for value in refused:
        with pytest.raises(ValidationError):
            TrackingParams.model_validate({"tags": value})


CHOICES = {
    "data.newline": ["unix", "keep"],
    "data.unicode_form": ["none", "NFC", "NFD", "NFKC", "NFKD"],
    "model.cell": ["lstm", "gru", "rnn", "min_gru"],
    "training.optimizer": ["adam", "adamw", "sgd", "rmsprop"],
    "training.schedule": ["constant", "cosine", "step", "plateau"],
    "training.loss_reduction": ["mean", "sum"],
    "training.device": ["auto", "cpu", "cuda"],
    "training.precision": ["auto", "float32", "tf32", "bfloat16"],
    "tracking.upload_checkpoints": ["all", "best", "none"],
}


@pytest.mark.parametrize(("key", "choices"), CHOICES.items(), ids=list(CHOICES))
def test_a_choice_is_one_of_those_documented_as_it_is_written(key: str, choices: list[str]) -> None:
    assert [with_value(key, choice) for choice in choices] == choices
    for value in (choices[0].swapcase(), "", None, True, 1, [choices[0]]):
        with pytest.raises(ValidationError):
            with_value(key, value)


@pytest.mark.parametrize("name", SECTIONS)
def test_no_section_has_unknown_parameters_or_changes(name: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        SECTIONS[name].model_validate({"nonsense": 1})
    section = getattr(Params(), name)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(section, next(iter(SECTIONS[name].model_fields)), None)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Params(), name, section)


# What must agree


@given(st.floats(0, 0.99), st.floats(0, 0.99))
def test_splits_leave_a_tenth_to_train_on(val: float, test: float) -> None:
    if val + test > 0.9:
        with pytest.raises(ValidationError, match=r"val_fraction and test_fraction together must be at most 0\.9"):
            SplitParams(val_fraction=val, test_fraction=test)
    else:
        assert SplitParams(val_fraction=val, test_fraction=test).test_fraction == test


def test_tied_weights_need_an_embedding_as_wide_as_the_layers() -> None:
    assert ModelParams(tie_weights=True, embedding_size=256).tie_weights
    for embedding_size in (64, None):
        expected = f"tie_weights needs embedding_size = hidden_size = 256, got {embedding_size}"
        with pytest.raises(ValidationError, match=expected):
            ModelParams(tie_weights=True, embedding_size=embedding_size)


NO_LIMIT = {"epochs": None, "max_steps": None, "max_minutes": None, "patience": None, "schedule": "constant"}


@pytest.mark.parametrize("limit", [{"epochs": 1}, {"max_steps": 1}, {"max_minutes": 0.1}, {"patience": 1}])
def test_training_ends_somewhere(limit: dict[str, Any]) -> None:
    Params.model_validate({"training": {**NO_LIMIT, **limit}})
    with pytest.raises(ValidationError, match=r"one of training.epochs, max_steps, max_minutes and patience must be"):
        Params.model_validate({"training": NO_LIMIT})


@pytest.mark.parametrize(
    ("training", "val_fraction", "message"),
    [
        ({**NO_LIMIT, "patience": 1, "schedule": "cosine"}, 0.1, "schedule cosine needs training.epochs, max_steps or"),
        ({"schedule": "plateau"}, 0, r"schedule plateau needs splits\.val_fraction > 0"),
        ({"patience": 3}, 0, r"patience needs splits\.val_fraction > 0"),
    ],
)
def test_what_depends_on_another_parameter_needs_it(
    training: dict[str, Any], val_fraction: float, message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Params.model_validate({"training": training, "splits": {"val_fraction": val_fraction}})
    Params.model_validate({"training": {"max_steps": 5, **training, "epochs": 1}, "splits": {"val_fraction": 0.1}})
