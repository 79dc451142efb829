"""Blocks of a text, found again in texts that were changed by hand."""

import numpy as np
import pytest

from charrnn.data.blocks import MEAN_SIZE, WINDOW, content_blocks
from charrnn.data.vocabulary import Vocabulary
from tests.texts import JAPANESE, made_up_play

OLD = made_up_play(20_000)


def vocabulary_of(text: str) -> Vocabulary:
    characters = "".join(sorted(set(text)))
    return Vocabulary(characters, (1,) * len(characters), (0,) * len(characters))


@pytest.mark.parametrize("piece", [WINDOW, 100, 7919])
def test_blocks_do_not_depend_on_how_much_is_read_at_once(piece: int) -> None:
    vocabulary = vocabulary_of(OLD)
    once, pieces = (content_blocks(vocabulary.encode(OLD), vocabulary, size) for size in (len(OLD), piece))
    assert once[0].tolist() == pieces[0].tolist()
    assert once[1].tolist() == pieces[1].tolist()


def test_a_change_touches_few_blocks_wherever_it_is_and_whatever_ids_the_characters_have() -> None:
    ends, hashes = content_blocks(vocabulary_of(OLD).encode(OLD), vocabulary_of(OLD))
    assert 0.7 * len(OLD) / MEAN_SIZE < len(ends) < 1.4 * len(OLD) / MEAN_SIZE
    for changed in (JAPANESE + OLD, OLD[:9000] + JAPANESE + OLD[9000:], OLD[:9000] + OLD[9001:]):
        vocabulary = vocabulary_of(changed + JAPANESE)
        _, found = content_blocks(vocabulary.encode(changed), vocabulary)
        assert np.isin(hashes, found).sum() >= len(hashes) - 2
