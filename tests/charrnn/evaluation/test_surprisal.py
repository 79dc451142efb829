import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from charrnn.config.schema import DataParams, ModelParams
from charrnn.errors import CorpusError
from charrnn.evaluation import surprisal
from charrnn.evaluation.bootstrap import document_losses, text_losses
from charrnn.evaluation.surprisal import score_text
from charrnn.model.char_rnn import CharRNN
from tests.charrnn.evaluation.reading import IDS, VOCABULARY

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
    expected = text_losses(model, VOCABULARY, TEXT, streams=1) / math.log(2)
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


def test_a_document_with_line_ends_is_one(model: CharRNN) -> None:
    scored = score_text(model, VOCABULARY, DataParams(documents="files"), "a\nb\n")
    assert scored.bits == pytest.approx(document_losses(model, VOCABULARY, ["a\nb\n"]) / math.log(2), abs=1e-5)


def test_the_text_is_read_as_the_training_text_was(model: CharRNN) -> None:
    scored = score_text(model, VOCABULARY, STREAM, "\ufeffae\u0301\r\nb")
    assert scored.text == "aé\nb"


def test_characters_never_seen_are_counted_apart(model: CharRNN) -> None:
    scored = score_text(model, VOCABULARY, STREAM, "ab☃c☃")
    assert scored.unknown.tolist() == [False, False, True, False, True]
    assert np.isnan(scored.bits).tolist() == [True, False, True, False, True]
    assert math.isfinite(scored.bits_per_char)
    assert scored.characters == 2
    document = score_text(model, VOCABULARY, LINES, "a☃", of_lines=True)
    assert document.unknown.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text: is empty; there is nothing to score"),
        ("\ufeff", "text: is empty; there is nothing to score"),
        ("a", "text: has 1 character, must have at least 2: the first of a stream is not predicted"),
        ("a☃☃", "text: the model has never seen any of the characters that it would predict"),
    ],
)
def test_what_cannot_be_scored_is_refused(model: CharRNN, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=f"^{message}$"):
        score_text(model, VOCABULARY, STREAM, text)


def test_pieces_give_each_character_as_it_is_after_their_context(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surprisal, "CONTEXT", 15)
    monkeypatch.setattr(surprisal, "SMALLEST_PIECE", 40)
    bits = score_text(model, VOCABULARY, STREAM, TEXT, pieces=True).bits
    bounds = 222 * np.arange(6) // 5
    for start, end in pairwise(bounds.tolist()):
        begin = max(0, start - 15)
        alone = score_text(model, VOCABULARY, STREAM, TEXT[begin : end + 1]).bits
        assert bits[start + 1 : end + 1] == pytest.approx(alone[start - begin + 1 :], abs=1e-5)
    assert np.isnan(bits).sum() == 1


@pytest.mark.parametrize("data", [STREAM, LINES])
def test_a_model_that_adapts_learns_a_text_that_repeats_itself(model: CharRNN, data: DataParams) -> None:
    text = (TEXT[:30].replace("\n", " ") + "\n") * 100
    of_lines = data is LINES
    static = score_text(model, VOCABULARY, data, text, of_lines=of_lines)
    adapted = score_text(model, VOCABULARY, data, text, of_lines=of_lines, adapt=True)
    assert adapted.text == static.text
    assert adapted.characters == static.characters
    assert adapted.bits_per_char < static.bits_per_char - 0.2
