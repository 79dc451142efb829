from collections import defaultdict

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.data.hashing import _kept_powers, hash_batch, hash_code_points, hash_documents, mix
from charrnn.data.vocabulary import code_points

DOCUMENTS = st.lists(st.text(max_size=8) | st.text("a\0\n", max_size=8), max_size=12)
BASE = 0x9E3779B97F4A7C15


def plain_hash(document: str) -> int:
    value = sum((ord(character) + 1) * BASE**place for place, character in enumerate(document)) + len(document)
    return int(mix(np.array([value % 2**64], dtype=np.uint64))[0])


@given(DOCUMENTS)
@example([])
@example([""])
def test_the_hash_is_the_mixed_polynomial_of_the_code_points(documents: list[str]) -> None:
    hashes = hash_documents(documents)
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == [plain_hash(document) for document in documents]


@given(DOCUMENTS, st.integers(1, 30))
@example(["a" * 20, "", "bc"], 3)
@example(["", "", ""], 1)
def test_a_hash_depends_neither_on_the_company_nor_on_the_block(documents: list[str], block: int) -> None:
    ends = np.cumsum([len(document) + 1 for document in documents], dtype=np.int64) - 1
    points = code_points("".join(f"{document}\n" for document in documents))
    found = hash_code_points(points, ends, block).tolist()
    assert found == [int(hash_documents([document])[0]) for document in documents]


def test_what_follows_a_document_is_no_part_of_it() -> None:
    ends = np.array([1, 4])
    assert (
        hash_batch("a\nbc\n", ends).tolist()
        == hash_batch("a!bc\0", ends).tolist()
        == hash_documents(["a", "bc"]).tolist()
    )


@pytest.mark.parametrize("alphabet", ["ab", "\0\1", "é\0"])
def test_other_documents_have_other_hashes(alphabet: str) -> None:
    documents = [""]
    for _ in range(12):
        documents += [document + character for document in documents for character in alphabet]
    documents = sorted(set(documents))
    found = defaultdict(list)
    for document, value in zip(documents, hash_documents(documents).tolist(), strict=True):
        found[value].append(document)
    assert len(found) == len(documents) == 2**13 - 1


@pytest.mark.parametrize("character", ["a", "é", "я"])
def test_texts_of_other_lengths_leave_no_tables_behind(character: str) -> None:
    hash_documents([character])
    before = _kept_powers.cache_info().currsize
    for length in range(2, 40):
        hash_documents([character * length])
    assert _kept_powers.cache_info().currsize == before


def test_a_seed_mixes_otherwise_and_a_value_the_same_each_time() -> None:
    values = np.arange(1000, dtype=np.uint64)
    assert mix(values, 1).tolist() == mix(values, 1).tolist()
    assert len({*mix(values, 1).tolist(), *mix(values, 2).tolist()}) == 2000
    assert values.tolist() == list(range(1000))


def test_mixed_values_are_spread_evenly() -> None:
    shares = np.bincount((mix(np.arange(16_000, dtype=np.uint64)) >> np.uint64(60)).astype(np.int64), minlength=16)
    assert 900 < shares.min() < shares.max() < 1100
