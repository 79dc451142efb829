"""Contexts that begin with a word: the text since the last whole word, or since a whole word before it.

A word is a run of letters, marks and numbers. Where a writing system puts no blanks between words, it is a clause: most
contexts are then met only once, and learn nothing.
"""

import unicodedata

import numpy as np
from numpy.typing import NDArray

from charrnn.data.documents import Mask
from charrnn.data.hashing import BASE, INVERSE, Hashes, powers
from charrnn.data.vocabulary import Ids, Vocabulary

WHOLE_WORDS = (0, 1, 2)
"""How many whole words a context has, with all that follows them."""
MOST_LETTERS = 12
"""Longer words count as if they were so long (characters)."""

Numbers = NDArray[np.int64]


def in_words(vocabulary: Vocabulary) -> Mask:
    """Return which ids are letters, marks or numbers, and so part of a word: (vocabulary_size,); no stop symbol is."""
    kinds = [unicodedata.category(character)[0] for character in vocabulary.characters]
    return np.array([*(kind in "LMN" for kind in kinds), False])


def letters_before(ids: Ids, in_word: Mask) -> Numbers:
    """Return how many characters of a word there are right before each of `ids`: (characters,), at most MOST_LETTERS.

    Args:
        ids: (characters,).
        in_word: (vocabulary_size,) as `in_words` gives it.
    """
    places = np.arange(len(ids))
    # Of each place, where the first character after the last one that is in no word stands.
    begins = np.zeros(len(ids), dtype=np.int64)
    begins[1:] = np.maximum.accumulate(np.where(in_word[ids], 0, places + 1))[:-1]
    letters: Numbers = np.minimum(places - begins, MOST_LETTERS)
    return letters


def word_contexts(ids: Ids, in_word: Mask) -> list[Hashes]:
    """Return, for each of WHOLE_WORDS, the hash of the context before each of `ids`: (characters,) uint64.

    A word is whole when the character after it has been read. With no whole word in it, a context begins behind the
    last one; where there are fewer, at the beginning of the text. Equal contexts have equal hashes, others practically
    never: they are polynomials modulo 2**64, as in `charrnn.data.hashing`.

    Args:
        ids: (characters,).
        in_word: (vocabulary_size,) as `in_words` gives it.
    """
    is_in = np.zeros(len(ids) + 1, dtype=np.bool_)  # one more in front: before the text is no word
    is_in[1:] = in_word[ids]
    starts, ends = np.flatnonzero(is_in[1:] & ~is_in[:-1]), np.flatnonzero(~is_in[1:] & is_in[:-1])
    whole = np.zeros(len(ids), dtype=np.int64)  # words that are whole before each place
    whole[ends[ends + 1 < len(ids)] + 1] = 1
    np.cumsum(whole, out=whole)
    inverses = powers(INVERSE, len(ids))
    until = np.zeros(len(ids) + 1, dtype=np.uint64)
    np.cumsum((ids.astype(np.uint64) + np.uint64(1)) * powers(BASE, len(ids)), out=until[1:])
    contexts = []
    for words in WHOLE_WORDS:
        # By how many words are whole: where there are fewer than the context wants, it begins with the text.
        bounds = np.concatenate([np.zeros(max(words, 1), dtype=np.int64), starts if words else ends])
        begins = bounds[whole]
        contexts.append((until[:-1] - until[begins]) * inverses[begins])
    return contexts
