import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.errors import VocabularyError
from charrnn.vocabulary import Vocabulary


def vocabulary_of(text: str) -> Vocabulary:
    characters = "".join(sorted(set(text)))
    return Vocabulary(characters, tuple(map(text.count, characters)), tuple(map(text.index, characters)))


@given(st.text(min_size=1))
@example("é\u0301 e\r\n\0 中文 😀_")
def test_decoding_gives_back_any_text(text: str) -> None:
    vocabulary = vocabulary_of(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_the_padding_id_is_no_character_not_even_an_underscore() -> None:
    vocabulary = vocabulary_of("a_b")
    assert vocabulary.padding_id not in vocabulary.encode("a_b")
    assert vocabulary.decode([0, vocabulary.padding_id, 1]) == vocabulary.characters[:2]


def test_an_unknown_character_is_named() -> None:
    with pytest.raises(VocabularyError, match="LATIN SMALL LETTER E WITH ACUTE"):
        vocabulary_of("abc").encode("é")
