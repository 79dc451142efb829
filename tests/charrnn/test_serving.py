import math
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from charrnn.config.loading import load_params
from charrnn.config.sampling_options import SamplingOptions
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, DivergedError, FileError, ParamsError
from charrnn.evaluation.surprisal import Surprisal, score_text
from charrnn.generation.sampling import sample
from charrnn.serving import MAX_LENGTH, TextModel
from charrnn.training.checkpoint import checkpoint_of, load_checkpoint, save_checkpoint
from charrnn.training.state import new_state

VOCABULARY = Vocabulary("\nabcdé", (1,) * 6, tuple(range(6)))
UNKNOWN_STOP = "'x' (LATIN SMALL LETTER X), '☃' (SNOWMAN); it ends no text"


def saved(path: Path, *overrides: str, vocabulary: Vocabulary = VOCABULARY, weight: float | None = None) -> Path:
    """Write the checkpoint of an untrained model, whose weights are all `weight` if one is given."""
    params = load_params([], ["model.hidden_size=6", "model.embedding_size=4", *overrides])
    state = new_state(params.model, params.training, vocabulary.size, 1, torch.device("cpu"))
    checkpoint = checkpoint_of(state, params, vocabulary, "", "")
    if weight is not None:
        for tensor in (checkpoint.state["average"] or checkpoint.state["model"]).values():
            tensor.fill_(weight)
    save_checkpoint(path, checkpoint)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("served") / "best.ckpt")


@pytest.fixture(scope="module")
def model(path: Path) -> TextModel:
    return TextModel(path)


@pytest.fixture(scope="module")
def write(path: Path) -> Callable[..., str]:
    """What the same checkpoint writes, without serving."""
    loaded = load_checkpoint(path)
    network = loaded.model()
    return lambda **options: sample(network, VOCABULARY, SamplingOptions(**options))


def test_each_row_is_a_request_and_each_text_its_answer(model: TextModel, write: Callable[..., str]) -> None:
    rows = [
        {"prime": "ab", "length": 30, "temperature": 0.5, "top_k": 3, "top_p": 0.9, "seed": 4},
        {"prime": "é", "length": 7, "temperature": 0.0, "top_k": 1, "top_p": 1.0, "seed": 5},
        {"prime": "", "length": 1, "temperature": 2.0, "top_k": 100, "top_p": 0.1, "seed": 2**40},
    ]
    rows = [{**row, "stop": stop} for row, stop in zip(rows, ["x☃", "é", "a"], strict=True)]
    answer = model.predict(pd.DataFrame(rows))
    assert list(answer.columns) == ["text", "warnings"]
    assert list(answer["warnings"]) == ["stop (--until): the model never writes " + UNKNOWN_STOP, "", ""]
    assert list(answer["text"]) == [write(**row) for row in rows]
    assert list(answer["text"].str.len()) == [30, 7, 1]


def test_missing_columns_and_values_take_the_defaults(model: TextModel, write: Callable[..., str]) -> None:
    frame = pd.DataFrame({"prime": ["a", None, "b"], "length": [9, np.nan, 12], "top_k": [np.nan, 2, pd.NA]})
    answer = list(model.predict(frame)["text"])
    assert answer == [write(prime="a", length=9), write(top_k=2), write(prime="b", length=12)]
    assert len(answer[1]) == 1000
    assert list(model.predict(pd.DataFrame({"seed": [3]}))["text"]) == [write(seed=3)]


@pytest.mark.parametrize("kind", ["int64", "Int64", "float64", "object"])
def test_whole_numbers_may_come_in_any_type(kind: str, model: TextModel, write: Callable[..., str]) -> None:
    frame = pd.DataFrame({"prime": ["a"], "length": pd.Series([9], dtype=kind), "seed": pd.Series([7], dtype=kind)})
    assert list(model.predict(frame)["text"]) == [write(prime="a", length=9, seed=7)]


def test_characters_of_a_prime_that_the_model_has_never_seen_are_dropped_and_named(
    model: TextModel, write: Callable[..., str]
) -> None:
    frame = pd.DataFrame({"prime": ["xabz", "xyz", "中", "ab"], "length": [20] * 4})
    answer = model.predict(frame)
    assert list(answer["text"]) == [write(prime=prime, length=20) for prime in ("ab", "", "", "ab")]
    seen = "prime: the model has never seen "
    assert list(answer["warnings"]) == [
        f"{seen}'x' (LATIN SMALL LETTER X), 'z' (LATIN SMALL LETTER Z); dropped",
        f"{seen}'x' (LATIN SMALL LETTER X), 'y' (LATIN SMALL LETTER Y), 'z' (LATIN SMALL LETTER Z); dropped",
        f"{seen}'中' (CJK UNIFIED IDEOGRAPH-4E2D); dropped",
        "",
    ]


def test_prime_and_stop_are_read_as_the_training_text_was(model: TextModel, write: Callable[..., str]) -> None:
    frame = pd.DataFrame({"prime": ["\ufeffe\u0301\r\na"], "stop": ["e\u0301"], "length": [20]})
    answer = model.predict(frame)
    assert list(answer["text"]) == [write(prime="é\na", stop="é", length=20)]
    assert list(answer["warnings"]) == [""]


@pytest.mark.parametrize("columns", [[], ["prime"], ["prime", "length"]])
def test_no_rows_give_no_texts(columns: list[str], model: TextModel) -> None:
    answer = model.predict(pd.DataFrame({column: [] for column in columns}))
    assert (list(answer.columns), len(answer)) == (["text", "warnings"], 0)


def test_an_unknown_column_is_named_with_the_options_there_are(model: TextModel) -> None:
    with pytest.raises(ParamsError, match=r"^unknown option 'primer'; there are prime, length, stop, seed, top_k"):
        model.predict(pd.DataFrame({"primer": ["a"]}))
    with pytest.raises(ParamsError, match="unknown option '0'"):
        model.predict(pd.DataFrame([["a"]]))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("length", 0, "length: must be >= 1, got 0"),
        ("length", MAX_LENGTH + 1, f"length: must be <= {MAX_LENGTH}, got {MAX_LENGTH + 1}"),
        ("length", 2.5, "length: must be a whole number, got 2.5"),
        ("length", np.inf, "length: must be a finite number, got Infinity"),
        ("length", "many", 'length: must be a whole number, got "many"'),
        ("length", True, "length: must be a number, got true"),
        ("length", [3], "length: must be a whole number, got [3]"),
        ("temperature", -0.1, "temperature: must be >= 0, got -0.1"),
        ("temperature", np.inf, "temperature: must be a finite number, got Infinity"),
        ("temperature", "hot", 'temperature: must be a number, got "hot"'),
        ("top_k", 0, "top_k: must be >= 1, got 0"),
        ("top_k", 1.5, "top_k: must be a whole number, got 1.5"),
        ("top_p", 0, "top_p: must be > 0, got 0"),
        ("top_p", 1.1, "top_p: must be <= 1, got 1.1"),
        ("seed", -1, "seed: must be >= 0, got -1"),
        ("seed", 2**63, f"seed: must be < 2^63, got {2**63}"),
        ("prime", 5, "prime: must be text, got 5"),
        ("prime", ["a", "b"], 'prime: must be text, got ["a", "b"]'),
        ("stop", "", 'stop: must not be empty, got ""'),
    ],
)
def test_a_wrong_value_is_told_in_one_line(column: str, value: object, message: str, model: TextModel) -> None:
    frame = pd.DataFrame(
        {"prime": ["a", "b"], column: pd.Series(["a" if column in ("prime", "stop") else 1, value], dtype=object)}
    )
    with pytest.raises(ParamsError) as caught:
        model.predict(frame)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def scored(path: Path, text: str, *, of_lines: bool = False) -> Surprisal:
    """What the same checkpoint makes of a text, without serving."""
    loaded = load_checkpoint(path)
    return score_text(loaded.model(), loaded.vocabulary, loaded.params.data, text, of_lines=of_lines)


def answers(model: TextModel, *rows: dict[str, Any]) -> list[dict[Hashable, Any]]:
    return model.predict(pd.DataFrame(list(rows))).to_dict(orient="records")


def test_each_text_to_score_has_its_figures(model: TextModel, path: Path) -> None:
    texts = ["abcd\nabé", "bad cab"]
    for text, answer in zip(texts, answers(model, *({"score": text} for text in texts)), strict=True):
        one = scored(path, text)
        assert list(answer) == ["bits_per_char", "perplexity", "characters", "unknown", "warnings"]
        assert answer["bits_per_char"] == pytest.approx(one.bits_per_char, rel=1e-6)
        assert answer["perplexity"] == pytest.approx(2**one.bits_per_char, rel=1e-6)
    seen, unseen = answers(model, {"score": "abc"}, {"score": "ab☃c x☃"})
    assert (seen["characters"], seen["unknown"], seen["warnings"]) == (2, 0, "")
    assert (unseen["characters"], unseen["unknown"]) == (2, 4)
    assert unseen["warnings"] == (
        "score: the model has never seen '☃' (SNOWMAN), '␣' (SPACE), 'x' (LATIN SMALL LETTER X); left out"
    )


def test_the_surprisal_of_each_character_is_answered_on_request(model: TextModel, path: Path) -> None:
    asked, other, none = answers(
        model,
        {"score": "\ufeffa☃be\u0301\r\n", "surprisal": True},
        {"score": "ab", "surprisal": False},
        {"score": "ab"},
    )
    assert (other["surprisal"], none["surprisal"]) == (None, None)
    one = scored(path, "a☃bé\n")
    assert [row["character"] for row in asked["surprisal"]] == ["a", "☃", "b", "é", "\n"]
    bits = [row["bits"] for row in asked["surprisal"]]
    assert bits[:2] == [None, None]
    assert bits[2:] == pytest.approx(one.bits[2:].tolist(), rel=1e-6)


def test_each_line_of_a_text_is_a_document_for_a_model_of_lines(tmp_path: Path) -> None:
    vocabulary = Vocabulary("abc", (1,) * 3, tuple(range(3)))
    path = saved(tmp_path / "lines", "data.documents=lines", vocabulary=vocabulary)
    (answer,) = answers(TextModel(path), {"score": "ab\nc"})
    assert answer["bits_per_char"] == pytest.approx(scored(path, "ab\nc", of_lines=True).bits_per_char, rel=1e-6)
    assert (answer["characters"], answer["unknown"]) == (5, 0)


@pytest.mark.parametrize(
    ("text", "unknown", "reason"),
    [
        ("", 0, "score: is empty; there is nothing to score"),
        ("a", 0, "score: has 1 character, must have at least 2: the first of a stream is not predicted"),
        ("☃", 1, "score: has 1 character, must have at least 2: the first of a stream is not predicted"),
        ("a☃x☃", 3, "score: has none of the characters that the model has seen and would predict"),
    ],
)
def test_a_text_without_anything_to_predict_has_no_score_and_loses_no_other(
    text: str, unknown: int, reason: str, model: TextModel
) -> None:
    empty, full = answers(model, {"score": text, "surprisal": True}, {"score": "abc"})
    assert empty == {
        "bits_per_char": None,
        "perplexity": None,
        "characters": 0,
        "unknown": unknown,
        "warnings": reason,
        "surprisal": None,
    }
    assert math.isfinite(full["bits_per_char"])


@pytest.mark.parametrize("column", ["score", "surprisal"])
def test_no_rows_give_no_scores(column: str, model: TextModel) -> None:
    answer = model.predict(pd.DataFrame({column: []}))
    assert list(answer.columns) == ["bits_per_char", "perplexity", "characters", "unknown", "warnings"]
    assert len(answer) == 0


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([{"score": "ab"}, {"prime": "ab"}], "row 2 has prime"),
        ([{"score": "ab"}, {"score": None}], "row 2 has nothing"),
        ([{"score": None}], "row 1 has nothing"),
        ([{"score": float("nan"), "prime": "ab"}], "row 1 has prime"),
        ([{"score": "ab", "surprisal": True, "length": 5}], "row 1 has score, surprisal, length"),
        ([{"prime": "ab", "surprisal": True}], "row 1 has prime, surprisal"),
    ],
)
def test_texts_and_scores_are_not_asked_for_together(rows: list[dict[str, Any]], found: str, model: TextModel) -> None:
    with pytest.raises(ParamsError) as caught:
        answers(model, *rows)
    assert str(caught.value) == (
        f"score: must stand in every row of a request, with no option but surprisal, or in none; {found}"
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"score": 1984}, "score: must be text, got 1984"),
        ({"score": "ab", "surprisal": "often"}, 'surprisal: must be true or false, got "often"'),
        ({"score": "a" * (MAX_LENGTH + 1)}, "score: must have at most 100000 characters, has 100001"),
    ],
)
def test_what_cannot_be_read_as_a_text_to_score_is_told(row: dict[str, Any], message: str, model: TextModel) -> None:
    with pytest.raises(ParamsError) as caught:
        answers(model, row)
    assert str(caught.value) == message


def test_a_model_that_has_diverged_gives_no_score(tmp_path: Path) -> None:
    model = TextModel(saved(tmp_path / "nan", weight=math.nan))
    with pytest.raises(DivergedError, match=r"^the model's losses are not finite: its training diverged$"):
        answers(model, {"score": "abc"})


def test_the_model_is_loaded_from_its_checkpoint(path: Path, model: TextModel) -> None:
    frame = pd.DataFrame({"prime": ["abc"], "length": [40]})
    assert TextModel(path).predict(frame, {"ignored": 1}).equals(model.predict(frame))


def test_a_checkpoint_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"/x: is not a charrnn checkpoint"):
        TextModel(tmp_path / "x")
    with pytest.raises(FileError, match=r"/y: cannot read checkpoint"):
        TextModel(tmp_path / "y")
