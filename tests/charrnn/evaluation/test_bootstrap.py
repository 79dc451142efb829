"""Which of two models predicts a text better, and how sure that is."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from charrnn.config.schema import ModelParams
from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from charrnn.evaluation.bootstrap import (
    BLOCK_CHARACTERS,
    SEQ_LENGTH,
    STREAMS,
    compare,
    document_losses,
    text_losses,
)
from charrnn.evaluation.losses import mean_loss
from charrnn.model.char_rnn import CharRNN

TEXT = "a cab, a bad cab " * 700


def vocabulary_of(text: str) -> Vocabulary:
    characters = "".join(sorted(set(text)))
    return Vocabulary(characters, tuple(map(text.count, characters)), tuple(map(text.index, characters)))


def model_for(vocabulary: Vocabulary) -> CharRNN:
    torch.manual_seed(2)
    return CharRNN(ModelParams(hidden_size=8, num_layers=1, embedding_size=4, dropout=0.5), vocabulary.size)


def noisy(mean: float, size: int = 40 * BLOCK_CHARACTERS, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, mean / 2, size)


def test_the_losses_are_those_of_the_evaluation() -> None:
    vocabulary = vocabulary_of(TEXT)
    model = model_for(vocabulary)
    losses = text_losses(model, vocabulary, TEXT)
    streams = Streams(vocabulary.encode(TEXT), STREAMS, SEQ_LENGTH, torch.device("cpu"))
    assert losses.shape == (streams.characters,)
    assert losses.mean() == pytest.approx(mean_loss(model, streams), rel=1e-6)


def test_a_character_that_a_model_has_never_seen_costs_a_guess() -> None:
    vocabulary = vocabulary_of(TEXT.replace("d", "b"))
    losses = text_losses(model_for(vocabulary), vocabulary, TEXT)
    guesses = np.isclose(losses, math.log(vocabulary.size), rtol=1e-12)
    assert guesses.sum() == pytest.approx(TEXT.count("d"), abs=2)


def test_models_that_know_different_characters_are_scored_on_the_same_ones() -> None:
    large, small = vocabulary_of(TEXT + "xyz"), vocabulary_of(TEXT.replace("d", "b"))
    assert text_losses(model_for(large), large, TEXT).shape == text_losses(model_for(small), small, TEXT).shape


def test_one_character_is_no_text_to_compare_on() -> None:
    vocabulary = vocabulary_of(TEXT)
    with pytest.raises(CorpusError):
        text_losses(model_for(vocabulary), vocabulary, "a")


def test_a_better_one_is_better_with_certainty_and_a_worse_one_never() -> None:
    champion = noisy(2.0)
    better = compare(champion - 0.05, champion)
    assert better.confidence == 1.0
    assert better.challenger == pytest.approx(better.champion - 0.05)
    assert compare(champion + 0.05, champion).confidence == 0.0


def test_the_same_one_is_not_better() -> None:
    champion = noisy(2.0)
    assert compare(champion, champion).confidence == 0.0


def test_chance_is_not_taken_for_progress() -> None:
    """Two that are equally good and differ by chance are sure to differ as often as 5 % says."""
    sure = [compare(noisy(2.0, seed=2 * n), noisy(2.0, seed=2 * n + 1)).confidence >= 0.95 for n in range(200)]
    assert 0 < sum(sure) < 0.12 * 200


def test_a_text_shorter_than_a_block_is_one_block() -> None:
    champion = noisy(2.0, size=20)
    assert compare(champion - 0.1, champion).confidence == 1.0


DOCUMENTS_TEXT = ["abcd", "", "d", "bad cab " * 40, "abc" * 50, "a", "dab"]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "min_gru"])
@pytest.mark.parametrize("side_by_side", [1, 2, 64])
def test_the_loss_of_a_document_alone_is_its_loss_in_any_company(
    cell: str, side_by_side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.evaluation.bootstrap.DOCUMENTS", side_by_side)
    vocabulary = vocabulary_of(TEXT)
    torch.manual_seed(1)
    model = CharRNN(ModelParams(cell=cell, hidden_size=8, num_layers=2), vocabulary.size).eval()
    together = document_losses(model, vocabulary, DOCUMENTS_TEXT)
    alone = [document_losses(model, vocabulary, [one]) for one in DOCUMENTS_TEXT]
    assert [len(losses) for losses in alone] == [len(one) + 1 for one in DOCUMENTS_TEXT]
    assert together == pytest.approx(np.concatenate(alone), abs=1e-5)
    stop = vocabulary.stop_id
    for one, losses in zip(DOCUMENTS_TEXT, alone, strict=True):
        ids = torch.tensor([stop, *vocabulary.encode(one).tolist(), stop])
        with torch.no_grad():
            logits, _ = model(ids[:-1, None], model.initial_state(1))
        expected = F.cross_entropy(logits[:, 0], ids[1:], reduction="none")
        assert losses == pytest.approx(expected.numpy(), abs=1e-5)


def test_in_documents_too_a_character_never_seen_costs_a_guess_and_the_stop_symbol_does_not() -> None:
    vocabulary = vocabulary_of(TEXT.replace("d", "b"))
    model = model_for(vocabulary)
    losses = document_losses(model, vocabulary, ["add", "dd"])
    guesses = np.isclose(losses, math.log(vocabulary.size), rtol=1e-12)
    assert guesses.tolist() == [False, True, True, False, True, True, False]
