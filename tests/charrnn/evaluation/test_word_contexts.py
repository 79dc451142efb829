import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.vocabulary import Vocabulary
from charrnn.evaluation.word_contexts import MOST_LETTERS, in_words, letters_before, word_contexts

CHARACTERS = "\n 'ab\u0301é中"
VOCABULARY = Vocabulary("".join(sorted(CHARACTERS)), (1,) * len(CHARACTERS), tuple(range(len(CHARACTERS))))
IN_WORD = in_words(VOCABULARY)


def contexts(text: str) -> list[np.ndarray]:
    return word_contexts(VOCABULARY.encode(text), IN_WORD)


def test_letters_marks_and_digits_are_in_words_and_the_stop_symbol_is_not() -> None:
    of = dict(zip(VOCABULARY.characters, IN_WORD.tolist(), strict=False))
    assert of == {"\n": False, " ": False, "'": False, "a": True, "b": True, "\u0301": True, "é": True, "中": True}
    assert not IN_WORD[VOCABULARY.stop_id]


def test_the_letters_right_before_are_counted_up_to_a_limit() -> None:
    ids = VOCABULARY.encode("ab a\n" + "b" * 20)
    expected = [0, 1, 2, 0, 1, *(min(letters, MOST_LETTERS) for letters in range(20))]
    assert letters_before(ids, IN_WORD).tolist() == expected


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("aa ab b", "bb ab b", (True, True, False)),  # of "|b" with the words before it
        ("aa ab b", "aa bb b", (True, False, False)),
        ("aa ab b", "aa ab\nb", (False, False, False)),  # what is between words belongs to them
        ("aa ab bb", "aa ab ab", (False, False, False)),  # so does the word that was begun
        ("aa ab b", "b aa ab b", (True, True, True)),
    ],
)
def test_a_context_is_the_text_since_so_many_whole_words(one: str, other: str, equal: tuple[bool, ...]) -> None:
    found = [left[-1] == right[-1] for left, right in zip(contexts(one + "a"), contexts(other + "a"), strict=True)]
    assert tuple(found) == equal


@given(st.text(CHARACTERS, min_size=1, max_size=50), st.text(CHARACTERS, max_size=10))
def test_contexts_depend_on_nothing_that_follows(text: str, more: str) -> None:
    for short, long in zip(contexts(text), contexts(text + more), strict=True):
        assert (short == long[: len(text)]).all()


def test_no_text_has_no_contexts() -> None:
    assert [len(hashes) for hashes in contexts("")] == [0, 0, 0]
    assert len(letters_before(VOCABULARY.encode(""), IN_WORD)) == 0
