import numpy as np
import pytest
import torch

from charrnn.config.schema import ModelParams
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import VocabularyError
from charrnn.generation.primes import Reading, begun, prime_ids
from charrnn.model.char_rnn import CharRNN

WITH = Vocabulary("\nabc", (1,) * 4, tuple(range(4)))
WITHOUT = Vocabulary("abc", (1,) * 3, tuple(range(3)))


def beginning(vocabulary: Vocabulary, prime: str, seed: int = 1, *, documents: bool = False) -> str:
    return begun(vocabulary, prime, np.random.default_rng(seed), documents=documents)


def test_a_text_begins_with_its_prime_and_a_stream_without_one_with_a_character() -> None:
    assert [beginning(WITH, prime) for prime in ("ab", "")] == ["ab", "\n"]
    assert [beginning(WITH, prime, documents=True) for prime in ("ab", "")] == ["ab", ""]
    assert {beginning(WITHOUT, "", seed) for seed in range(20)} == set("abc")


def test_ids_of_documents_begin_with_the_stop_symbol() -> None:
    assert prime_ids(WITH, "ab", documents=False).tolist() == [1, 2]
    assert prime_ids(WITH, "ab", documents=True).tolist() == [WITH.stop_id, 1, 2]
    assert prime_ids(WITH, "", documents=True).tolist() == [WITH.stop_id]
    with pytest.raises(VocabularyError, match="not in the vocabulary"):
        prime_ids(WITH, "☃", documents=False)


@pytest.mark.parametrize("piece", [1, 2, 3, 100])
def test_in_whatever_pieces_a_prime_is_read_the_logits_are_the_same(piece: int) -> None:
    torch.manual_seed(1)
    network = CharRNN(ModelParams(hidden_size=4, embedding_size=3), WITH.size).eval()
    ids = prime_ids(WITH, "abcabca", documents=True)
    whole, pieces = Reading(network, ids), Reading(network, ids)
    expected = whole.read(100)
    found = []
    while pieces.left:
        found.append(pieces.read(piece))
    torch.testing.assert_close(torch.cat(found), expected)
    for one, other in zip(pieces.state, whole.state, strict=True):
        torch.testing.assert_close(one, other)
