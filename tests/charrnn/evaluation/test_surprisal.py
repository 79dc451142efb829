import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from charrnn.config.schema import DataParams, ModelParams
from charrnn.data.streams import Streams
from charrnn.errors import CorpusError, DivergedError
from charrnn.evaluation import surprisal
from charrnn.evaluation.bootstrap import document_losses
from charrnn.evaluation.losses import window_predictions
from charrnn.evaluation.surprisal import How, score_text
from charrnn.model.char_rnn import CharRNN
from tests.charrnn.evaluation.reading import CPU, IDS, VOCABULARY
from tests.processor import needs_bfloat16

TEXT = VOCABULARY.decode(IDS)
STREAM, LINES = DataParams(), DataParams(documents="lines")


@pytest.fixture
def model() -> CharRNN:
    torch.manual_seed(1)
    made = CharRNN(ModelParams(hidden_size=6, embedding_size=4), VOCABULARY.size)
    with torch.no_grad():
        made.decoder.weight.mul_(8)
    return made


def test_the_surprisal_of_a_stream_is_its_losses_in_bits_without_the_first_character(model: CharRNN) -> None:
    scored = score_text(model, VOCABULARY, STREAM, TEXT)
    assert math.isnan(scored.bits[0])
    windows = window_predictions(model, Streams(IDS, 1, 128, CPU))
    expected = np.concatenate([window.losses.numpy() for window in windows]) / math.log(2)
    assert scored.bits[1:] == pytest.approx(expected, abs=1e-5)
    assert scored.characters == len(TEXT) - 1
    assert scored.bits_per_char == pytest.approx(expected.mean(), abs=1e-6)


def test_each_line_is_a_document_and_its_line_end_the_stop_symbol(model: CharRNN) -> None:
    documents = ["abc", "", "é a"]
    for text in ("abc\n\né a", "abc\n\né a\n"):
        scored = score_text(model, VOCABULARY, LINES, text, of_lines=True)
        assert scored.text == "abc\n\né a\n"
        expected = document_losses(model, VOCABULARY, documents) / math.log(2)
        assert scored.bits == pytest.approx(expected, abs=1e-5)


def test_a_document_with_line_ends_is_one_and_its_last_line_end_the_stop_symbol(model: CharRNN) -> None:
    for text in ("a\nb", "a\nb\n"):
        scored = score_text(model, VOCABULARY, DataParams(documents="files"), text)
        assert scored.bits == pytest.approx(document_losses(model, VOCABULARY, ["a\nb"]) / math.log(2), abs=1e-5)
        assert [line.text for line in scored.lines()] == ["a", "b"]


def test_a_record_keeps_its_last_line_end(model: CharRNN) -> None:
    scored = score_text(model, VOCABULARY, DataParams(documents="records", template="{a}\n"), "a\nb\n")
    assert scored.bits == pytest.approx(document_losses(model, VOCABULARY, ["a\nb\n"]) / math.log(2), abs=1e-5)


def test_the_text_is_read_as_the_training_text_was(model: CharRNN) -> None:
    scored = score_text(model, VOCABULARY, STREAM, "\ufeffae\u0301\r\nb")
    assert scored.text == "aé\nb"


def test_characters_never_seen_are_counted_apart(model: CharRNN) -> None:
    scored = score_text(model, VOCABULARY, STREAM, "ab☃c☃")
    assert scored.unknown.tolist() == [False, False, True, False, True]
    assert scored.unseen == "☃"
    assert np.isnan(scored.bits).tolist() == [True, False, True, False, True]
    assert math.isfinite(scored.bits_per_char)
    assert scored.characters == 2
    document = score_text(model, VOCABULARY, LINES, "a☃", of_lines=True)
    assert document.unknown.tolist() == [False, True, False]


@pytest.mark.parametrize("data", [STREAM, LINES])
def test_texts_that_know_nothing_of_each_other_are_scored_as_each_alone(model: CharRNN, data: DataParams) -> None:
    texts = ["ab\nc", "éa", "\nabc b\n"]
    of_lines = data is LINES
    together = score_text(model, VOCABULARY, data, texts, of_lines=of_lines)
    alone = [score_text(model, VOCABULARY, data, text, of_lines=of_lines) for text in texts]
    assert together.text == "".join(one.text for one in alone)
    assert together.bits == pytest.approx(np.concatenate([one.bits for one in alone]), abs=1e-5, nan_ok=True)


def test_one_of_several_texts_is_too_short(model: CharRNN) -> None:
    with pytest.raises(CorpusError, match=r"^has 0 characters, must have at least 2: the first of a stream"):
        score_text(model, VOCABULARY, STREAM, ["abc", ""])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; there is nothing to score"),
        ("\ufeff", "is empty; there is nothing to score"),
        ("a", "has 1 character, must have at least 2: the first of a stream is not predicted"),
        ("a☃☃", "has none of the characters that the model has seen and would predict"),
    ],
)
def test_what_cannot_be_scored_is_refused(model: CharRNN, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=f"^{message}$"):
        score_text(model, VOCABULARY, STREAM, text)


@pytest.mark.parametrize("how", ["exact", "fast", "adapted"])
def test_a_model_whose_losses_are_not_finite_is_refused(model: CharRNN, how: How) -> None:
    torch.nn.init.constant_(model.decoder.bias, math.nan)
    with pytest.raises(DivergedError):
        score_text(model, VOCABULARY, STREAM, "abc", how=how)


def test_pieces_give_each_character_as_it_is_after_their_context(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surprisal, "CONTEXT", 15)
    monkeypatch.setattr(surprisal, "SMALLEST_PIECE", 40)
    monkeypatch.setattr(surprisal, "multiplies_bfloat16", lambda: False)
    bits = score_text(model, VOCABULARY, STREAM, TEXT, how="fast").bits
    bounds = 222 * np.arange(6) // 5
    for start, end in pairwise(bounds.tolist()):
        begin = max(0, start - 15)
        alone = score_text(model, VOCABULARY, STREAM, TEXT[begin : end + 1]).bits
        assert bits[start + 1 : end + 1] == pytest.approx(alone[start - begin + 1 :], abs=1e-5)
    assert np.isnan(bits).sum() == 1


def test_of_what_two_pieces_predict_the_one_whose_own_it_is_counts_whichever_is_later(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surprisal, "CONTEXT", 15)
    monkeypatch.setattr(surprisal, "SMALLEST_PIECE", 40)
    monkeypatch.setattr(surprisal, "SEQ_LENGTH", 10)
    bits = score_text(model, VOCABULARY, STREAM, TEXT, how="fast").bits
    monkeypatch.setattr(surprisal, "window_predictions", lambda *read: reversed([*window_predictions(*read)]))
    np.testing.assert_array_equal(score_text(model, VOCABULARY, STREAM, TEXT, how="fast").bits, bits)


@needs_bfloat16
def test_only_fast_scores_are_in_bfloat16_and_differ_little(model: CharRNN, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surprisal, "multiplies_bfloat16", lambda: False)
    exact = score_text(model, VOCABULARY, STREAM, TEXT).bits
    monkeypatch.setattr(surprisal, "multiplies_bfloat16", lambda: True)
    np.testing.assert_array_equal(score_text(model, VOCABULARY, STREAM, TEXT).bits, exact)
    fast = score_text(model, VOCABULARY, STREAM, TEXT, how="fast").bits
    assert 0 < np.nanmean(np.abs(fast - exact)) < 0.01


@pytest.mark.parametrize("data", [STREAM, LINES])
def test_a_model_that_adapts_learns_a_text_that_repeats_itself(model: CharRNN, data: DataParams) -> None:
    text = (TEXT[:30].replace("\n", " ") + "\n") * 100
    of_lines = data is LINES
    static = score_text(model, VOCABULARY, data, text, of_lines=of_lines)
    adapted = score_text(model, VOCABULARY, data, text, of_lines=of_lines, how="adapted")
    assert adapted.text == static.text
    assert adapted.characters == static.characters
    assert adapted.bits_per_char < static.bits_per_char - 0.2


def test_a_model_that_adapts_does_not_learn_that_a_text_ends_where_it_has_never_seen_a_character(
    model: CharRNN,
) -> None:
    text = "☃" * 500 + "abc"
    static = score_text(model, VOCABULARY, LINES, text, of_lines=True)
    adapted = score_text(model, VOCABULARY, LINES, text, of_lines=True, how="adapted")
    assert adapted.bits == pytest.approx(static.bits, abs=1e-5, nan_ok=True)
