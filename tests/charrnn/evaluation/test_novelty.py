import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.data.hashing import hash_documents
from charrnn.data.vocabulary import Ids, Vocabulary
from charrnn.evaluation import novelty
from charrnn.evaluation.novelty import Passage, longest_passages, ngram_shares, novelty_table, passages_table, stands_in
from tests.texts import made_up_play

VOCABULARY = Vocabulary("\nabcdé", (1,) * 6, (0,) * 6)
DOCUMENTS = st.lists(st.text("abé\n", max_size=4), max_size=12)


def common(sample: str, train: str) -> int:
    """Return the length of the longest common substring, by dynamic programming."""
    longest, before = 0, [0] * (len(train) + 1)
    for character in sample:
        here = [0] * (len(train) + 1)
        for at, other in enumerate(train, 1):
            if character == other:
                here[at] = before[at - 1] + 1
                longest = max(longest, here[at])
        before = here
    return longest


def check(sample: str, train: str, passage: Passage) -> None:
    """Assert all that is promised of a passage, but that it is the longest."""
    assert passage.length == len(passage.text)
    assert passage.train_position == train.find(passage.text)
    assert passage.sample_position == sample.find(passage.text)


@given(st.lists(st.text("abc", max_size=40), max_size=4), st.text("abc", max_size=120))
@example(["abcabc"], "abcabcabc")
@example([""], "")
@example(["a" * 40], "a" * 39)
def test_the_longest_passage_is_that_of_the_definition(samples: list[str], train: str) -> None:
    passages = longest_passages(samples, VOCABULARY.encode(train), VOCABULARY)
    assert [passage.length for passage in passages] == [common(sample, train) for sample in samples]
    for sample, passage in zip(samples, passages, strict=True):
        check(sample, train, passage)


@given(st.text("ab", max_size=40), st.text("ab", max_size=100))
def test_passages_whose_hashes_collide_are_told_apart(sample: str, train: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(novelty, "BASE", 1)  # the hash is the sum of the characters
        patch.setattr(novelty, "INVERSE", 1)
        (passage,) = longest_passages([sample], VOCABULARY.encode(train), VOCABULARY)
    assert passage.length == common(sample, train)
    check(sample, train, passage)


@pytest.mark.parametrize("piece", [1, 2, 7, 100])
def test_passages_do_not_depend_on_the_pieces_that_are_looked_at(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(piece)
    train = "".join(draw.choices("abc", k=300))
    samples = [train[100:180], "d" + train[17:60] + "d" + train[200:250], "".join(draw.choices("abc", k=50))]
    whole = longest_passages(samples, VOCABULARY.encode(train), VOCABULARY)
    monkeypatch.setattr(novelty, "_PIECE", piece)
    assert longest_passages(samples, VOCABULARY.encode(train), VOCABULARY) == whole
    assert [passage.length for passage in whole] == [common(sample, train) for sample in samples]
    (passage,) = longest_passages([train[100:180]], VOCABULARY.encode(train * 3), VOCABULARY)
    assert passage.train_position == 100


def test_passages_of_a_play_are_found_where_they_stand() -> None:
    train = made_up_play(50_000)
    characters = "".join(sorted(set(train)))
    vocabulary = Vocabulary(characters, (1,) * len(characters), (0,) * len(characters))
    samples = ["ß" + train[4_000:4_900] + "ß", train[49_500:], made_up_play(1_000, seed=9)]
    copied, end, own = longest_passages(samples, vocabulary.encode(train), vocabulary)
    assert (copied.text, copied.length, copied.sample_position) == (train[4_000:4_900], 900, 1)
    assert copied.train_position == 4_000
    assert (end.length, end.train_position) == (500, 49_500)
    assert 10 < own.length < 200
    for sample, passage in zip(samples, (copied, end, own), strict=True):
        check(sample, train, passage)
    assert samples[2][own.sample_position : own.sample_position + own.length + 1] not in train


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_characters_that_the_vocabulary_lacks_stand_nowhere(dtype: type[np.unsignedinteger]) -> None:
    train: Ids = VOCABULARY.encode("abcabd").astype(dtype)
    assert longest_passages(["xyz", "xcabz", ""], train, VOCABULARY) == [
        Passage("", 0, 0, 0),
        Passage("cab", 3, 1, 2),
        Passage("", 0, 0, 0),
    ]


def test_the_end_of_a_long_text_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(novelty, "MOST_SEARCHED", 4)
    (passage,) = longest_passages(["ccddab"], VOCABULARY.encode("ccccccabdd"), VOCABULARY)
    assert passage == Passage("dd", 2, 2, 8)


@given(st.lists(st.text("abc", max_size=30), max_size=4), st.text("abc", max_size=60), st.integers(1, 5))
def test_the_share_of_ngrams_is_that_of_the_definition(texts: list[str], train: str, length: int) -> None:
    encoded = [[VOCABULARY.encode(one) for one in group] for group in (texts, texts[:1])]
    found = ngram_shares(encoded, VOCABULARY.encode(train), [length])
    for group, shares in zip((texts, texts[:1]), found, strict=True):
        inside = [one[at : at + length] in train for one in group for at in range(len(one) - length + 1)]
        assert shares == [pytest.approx(np.mean(inside)) if inside else None]


def test_the_passages_table_says_where_and_how_long() -> None:
    passages = longest_passages(["xcab", "d"], VOCABULARY.encode("abcabd"), VOCABULARY)
    frame = passages_table([0.5, 1.0], passages)
    assert list(frame.columns) == ["temperature", "length", "sample_position", "train_position", "text"]
    assert frame.to_numpy().tolist() == [[0.5, 3, 1, 2, "cab"], [1.0, 1, 0, 5, "d"]]
    assert passages_table([], []).empty


@given(DOCUMENTS, DOCUMENTS, st.integers(1, 3))
def test_a_document_stands_in_a_split_that_has_its_equal(documents: list[str], split: list[str], piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(novelty, "_PIECE", piece)
        found = stands_in(documents, hash_documents(split))
    assert found.tolist() == [document in set(split) for document in documents]


@given(st.dictionaries(st.sampled_from([0.5, 1.0]), DOCUMENTS), DOCUMENTS, DOCUMENTS)
def test_the_shares_are_those_of_sets(samples: dict[float, list[str]], train: list[str], val: list[str]) -> None:
    hashes = {"train": hash_documents(train), "val": hash_documents(val)}
    frame = novelty_table(samples, hashes, np.array([len(text) for text in train], dtype=np.int64))
    assert len(frame) == len(samples)
    for (_, row), (temperature, texts) in zip(frame.iterrows(), samples.items(), strict=True):
        assert (row["temperature"], row["samples"]) == (temperature, len(texts))
        count = max(len(texts), 1)
        assert row["in_train"] == pytest.approx(sum(text in train for text in texts) / count)
        assert row["in_val"] == pytest.approx(sum(text in val for text in texts) / count)
        assert row["new"] == pytest.approx(sum(text not in {*train, *val} for text in texts) / count)
        assert row["duplicates"] == pytest.approx(sum(times - 1 for times in Counter(texts).values()) / count)


def test_lengths_stand_beside_those_of_the_data() -> None:
    frame = novelty_table({0.8: ["a", "abc", "abcab", "a"]}, {"train": hash_documents(["abc"])}, np.array([2, 4, 9]))
    row = frame.iloc[0]
    assert [row[f"length_{key}"] for key in ("mean", "q1", "median", "q3")] == [2.5, 1, 2, 3.5]
    assert [row[f"train_length_{key}"] for key in ("mean", "q1", "median", "q3")] == [5, 3, 4, 6.5]
    assert (row["in_train"], row["new"], row["duplicates"]) == (0.25, 0.75, 0.25)
