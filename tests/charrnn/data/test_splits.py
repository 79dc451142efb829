from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from charrnn.config.schema import SplitParams, TrainingParams
from charrnn.data.hashing import hash_documents, mix
from charrnn.data.splits import SMALLEST_SPLIT, SplitIds, Splits, Units, check_length
from charrnn.data.splits import split as split_units
from charrnn.data.vocabulary import Ids
from charrnn.errors import CorpusError
from tests.source_fixtures import one_line


def text(length: int) -> Ids:
    """Return the ids of a text of so many characters, in no memory."""
    return np.broadcast_to(np.uint8(0), length)


def split(ids: Ids, params: SplitParams) -> Splits:
    """Divide the ids of one stream of one file."""
    return split_units(ids, Units(None, None, np.array([len(ids)]), np.zeros(1, dtype=np.uint64)), params)


FRACTIONS = st.just(0.0) | st.floats(0.0001, 0.8999)


@given(st.integers(0, 3000), FRACTIONS, FRACTIONS)
@example(20, 0.0001, 0.8999)
@example(10**9, 0.03, 0.03)
def test_splits_cover_the_text_without_overlap_and_none_is_too_small(length: int, val: float, test: float) -> None:
    if val + test > 0.9:
        val, test = val / 2, test / 2
    params = SplitParams(val_fraction=val, test_fraction=test)
    if length < 20 and any(fraction and int(length * fraction) < 2 and length // 10 < 2 for fraction in (val, test)):
        with pytest.raises(CorpusError):
            split(text(length), params)
        return
    splits = split(text(length), params)
    assert list(splits.sizes) == ["train", "val", "test"]
    assert min(splits.sizes.values()) >= 0
    assert sum(splits.sizes.values()) == length
    assert {name: len(splits.ids(name)) for name in splits.sizes} == splits.sizes
    for name, fraction in (("val", val), ("test", test)):
        smallest = min(SMALLEST_SPLIT, length // 10)
        assert splits.sizes[name] == (max(int(length * fraction), smallest) if fraction else 0)
        assert splits.sizes[name] >= 2 or not fraction


def test_splits_follow_each_other_in_the_text() -> None:
    ids = np.arange(100, dtype=np.uint8)
    splits = split(ids, SplitParams(val_fraction=0.2, test_fraction=0.1))
    assert splits.sizes == {"train": 70, "val": 20, "test": 10}
    parts = [splits.ids(name)[:] for name in ("train", "val", "test")]
    assert np.concatenate(parts).tolist() == ids.tolist()
    assert all(np.shares_memory(part, ids) for part in parts)


@pytest.mark.parametrize(
    ("val", "test", "expected"), [(0.2, 0.1, "val"), (0.2, 0, "val"), (0, 0.1, "test"), (0, 0, None)]
)
def test_a_model_is_judged_on_the_validation_split_where_there_is_one(
    val: float, test: float, expected: str | None
) -> None:
    assert split(text(100), SplitParams(val_fraction=val, test_fraction=test)).held_out == expected


def test_a_small_share_of_a_large_text_is_enough_to_evaluate_on() -> None:
    assert split(text(10_000), SplitParams(val_fraction=0.001, test_fraction=0)).sizes == {
        "train": 9935,
        "val": 65,
        "test": 0,
    }
    assert split(text(10_000), SplitParams(val_fraction=0.01, test_fraction=0)).sizes["val"] == 100


@pytest.mark.parametrize("name", ["val", "test"])
def test_a_text_too_short_to_be_split_is_an_error_that_says_how_much_is_needed(name: str) -> None:
    fractions = {"val_fraction": 0, "test_fraction": 0, f"{name}_fraction": 0.05}
    with pytest.raises(CorpusError) as caught:
        split(text(19), SplitParams(**fractions))
    assert one_line(caught.value) == (
        f"the text has 19 characters, too few for splits.{name}_fraction 0.05: "
        "use at least 20 characters, or set it to 0"
    )
    assert split(text(20), SplitParams(**fractions)).sizes[name] == 2
    assert split(text(19), SplitParams(val_fraction=0, test_fraction=0)).sizes["train"] == 19


def test_one_window_must_fit_into_the_training_text() -> None:
    splits = split(text(70), SplitParams(val_fraction=11 / 70, test_fraction=10 / 70))
    assert splits.sizes["train"] == 49
    check_length(splits, TrainingParams(seq_length=48))
    with pytest.raises(CorpusError) as caught:
        check_length(splits, TrainingParams(seq_length=49))
    assert one_line(caught.value) == (
        "the training split has 49 characters, fewer than one window of training.seq_length 49 and the character "
        "after it: use a longer text, or set training.seq_length to at most 48"
    )


def test_where_no_window_fits_only_a_longer_text_helps() -> None:
    with pytest.raises(CorpusError, match=r"the character after it: use a longer text$"):
        check_length(Splits(text(1), {"train": np.array([[0, 1]])}, None), TrainingParams(seq_length=1))


def documents(texts: list[str], files: list[int] | None = None) -> tuple[Ids, Units]:
    """Return the ids (0 is the stop symbol) and the units of documents, in files of so many documents each."""
    ids, ends = [0], []
    for one in texts:
        ids += [*map(ord, one), 0]
        ends.append(len(ids))
    ends_of_files = np.array(ends)[np.cumsum(files or [len(texts)]) - 1]
    file_hashes = np.arange(len(ends_of_files), dtype=np.uint64)
    return np.array(ids, dtype=np.uint8), Units(np.array(ends), hash_documents(texts), ends_of_files, file_hashes)


def texts_of(splits: Splits, name: str) -> list[str]:
    return ["".join(map(chr, splits.text[start : end - 1])) for start, end in splits.spans[name].tolist()]


NAMES = [f"name{number}" for number in range(200)]
SHARES = SplitParams(val_fraction=0.1, test_fraction=0.05)


@pytest.mark.parametrize("by", [None, "documents", "blocks", "position"])
def test_documents_are_divided_whole_by_their_number(by: str | None) -> None:
    splits = split_units(*documents(NAMES), SHARES.model_copy(update={"by": by}))
    found = {name: texts_of(splits, name) for name in ("train", "val", "test")}
    assert {name: len(found[name]) for name in found} == {"train": 170, "val": 20, "test": 10}
    assert sorted(text for texts in found.values() for text in texts) == sorted(NAMES)
    assert splits.documents is not None
    for name, texts in found.items():
        assert [NAMES[number] for number in splits.documents[name]] == texts
        assert splits.sizes[name] == sum(len(text) + 1 for text in texts)
        assert "".join(map(chr, splits.ids(name)[:])) == "".join(f"{text}\0" for text in texts)
    if by == "position":
        assert found["train"] == NAMES[:170]
        assert found["test"] == NAMES[190:]


def test_documents_are_drawn_anew_with_each_seed_and_alike_with_the_same() -> None:
    val = [texts_of(split_units(*documents(NAMES), SplitParams(seed=seed)), "val") for seed in (1, 2, 1)]
    assert val[0] == val[2]
    assert val[0] != val[1]


@given(st.lists(st.sampled_from("abcdefghijklmnop"), min_size=3, max_size=60), st.integers(0, 5))
def test_equal_documents_are_never_on_two_sides(texts: list[str], seed: int) -> None:
    ids, units = documents(texts)
    params = SplitParams(val_fraction=0.2, test_fraction=0.2, seed=seed)
    try:
        splits = split_units(ids, units, params)
    except CorpusError:
        with pytest.raises(CorpusError, match="cannot be divided as asked"):
            split_units(ids, units, params)
        return
    sides = [set(texts_of(splits, name)) for name in ("train", "val", "test")]
    assert all(sides)
    assert sum(map(len, sides)) == len(set(texts))


def test_a_document_that_is_added_leaves_most_others_where_they_are() -> None:
    before = set(texts_of(split_units(*documents(NAMES), SHARES), "val"))
    after = set(texts_of(split_units(*documents([*NAMES, "another"]), SHARES), "val"))
    assert len(before & after) >= 18


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=8), st.integers(-70, 70), st.integers(-70, 70)
)
def test_a_slice_of_a_split_is_that_of_its_spans_one_after_the_other(
    gaps: list[tuple[int, int]], start: int, stop: int
) -> None:
    bounds = np.cumsum(np.array(gaps, dtype=np.int64).reshape(-1, 2)).reshape(-1, 2)
    ids = np.arange(100, dtype=np.uint8)
    expected = [at for first, past in bounds.tolist() for at in range(first, past)]
    found = SplitIds(ids, bounds)
    assert len(found) == len(expected)
    assert found[start:stop].tolist() == expected[start:stop]
    assert found[:].dtype == np.uint8


def test_ids_of_a_split_have_no_steps() -> None:
    with pytest.raises(ValueError, match="without a step, got 2"):
        SplitIds(np.arange(9, dtype=np.uint8), np.array([[0, 9]]))[::2]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("equal", "others"), [(0, 900), (300, 600), (700, 200)])
def test_documents_are_drawn_in_the_order_of_keys_that_the_seed_makes_of_them(
    equal: int, others: int, seed: int
) -> None:
    texts = ["the same"] * equal + [f"text {number}" for number in range(others)]
    splits = split_units(*documents(texts), SplitParams(val_fraction=0.1, test_fraction=0.05, seed=seed))
    keys = dict(zip(texts, mix(hash_documents(texts), seed).tolist(), strict=True))
    # The equal ones are too many for each of them.
    drawn = sorted(texts[equal:], key=keys.__getitem__)
    assert set(texts_of(splits, "test")) == set(drawn[:45])
    assert set(texts_of(splits, "val")) == set(drawn[45:135])


def test_files_are_divided_with_all_their_documents() -> None:
    ids, units = documents(NAMES, files=[20] * 10)
    splits = split_units(ids, units, SHARES.model_copy(update={"by": "files"}))
    files = {name: {NAMES.index(text) // 20 for text in texts_of(splits, name)} for name in splits.sizes}
    assert {name: len(numbers) for name, numbers in files.items()} == {"train": 8, "val": 1, "test": 1}
    assert sorted(number for numbers in files.values() for number in numbers) == list(range(10))


def test_the_files_of_one_stream_are_divided_as_spans() -> None:
    ends = np.arange(1, 11) * 50
    units = Units(None, None, ends, np.arange(10, dtype=np.uint64))
    splits = split_units(text(500), units, SHARES.model_copy(update={"by": "files"}))
    assert splits.documents is None
    assert splits.sizes == {"train": 400, "val": 50, "test": 50}
    for start, end in splits.spans["val"].tolist():
        assert start % 50 == end % 50 == 0


@given(st.integers(40, 5000), st.floats(0.01, 0.4), st.floats(0, 0.4), st.integers(0, 9))
def test_blocks_cover_the_text_and_have_the_sizes_that_positions_have(
    length: int, val: float, test: float, seed: int
) -> None:
    params = SplitParams(by="blocks", val_fraction=val, test_fraction=test, seed=seed)
    splits = split(text(length), params)
    assert splits.sizes == split(text(length), params.model_copy(update={"by": "position"})).sizes
    covered = np.zeros(length, dtype=int)
    for spans in splits.spans.values():
        for start, end in spans.tolist():
            covered[start:end] += 1
    assert (covered == 1).all()


@given(st.integers(2, 60), st.floats(0.01, 0.45), st.floats(0, 0.45), st.integers(0, 9))
@example(12, 0.25, 0.25, 1)
def test_blocks_of_few_documents_have_as_many_as_documents_that_are_drawn(
    count: int, val: float, test: float, seed: int
) -> None:
    params = SplitParams(val_fraction=val, test_fraction=test, seed=seed)
    expected = {"val": max(1, int(count * val)), "test": max(1, int(count * test)) if test else 0}
    assume(sum(expected.values()) < count)
    for by in ("blocks", "documents"):
        splits = split_units(*documents(NAMES[:count]), params.model_copy(update={"by": by}))
        assert {name: len(splits.spans[name]) for name in expected} == expected


def test_blocks_are_spread_over_the_text() -> None:
    splits = split(text(100_000), SplitParams(by="blocks", val_fraction=0.05, test_fraction=0.05))
    for name in ("val", "test"):
        assert (splits.spans[name][:, 0] // 10_000).tolist() == list(range(10))


@pytest.mark.parametrize(
    ("params", "count", "message"),
    [
        ({"by": "documents"}, 2, "the text has 2 documents, too few for a training split beside"),
        ({"by": "files"}, 5, "the text has 1 file, too few for a training split beside"),
        ({"by": "blocks"}, 1, "the text has 1 document, too few"),
    ],
)
def test_too_few_documents_or_files_for_the_splits_are_refused(
    params: dict[str, str], count: int, message: str
) -> None:
    with pytest.raises(CorpusError) as caught:
        split_units(*documents(NAMES[:count]), SplitParams(**params))
    assert one_line(caught.value).startswith(message)


@pytest.mark.parametrize("seed", range(8))
def test_files_without_anything_in_them_are_not_drawn(seed: int) -> None:
    ends = np.array([50, 50, 100, 100, 150, 200])
    units = Units(None, None, ends, np.arange(6, dtype=np.uint64))
    splits = split_units(text(200), units, SplitParams(by="files", seed=seed))
    assert splits.sizes["val"] == splits.sizes["test"] == 50
    ids, of_documents = documents(NAMES[:4], files=[1, 1, 1, 1])
    of_documents = replace(of_documents, file_ends=np.insert(of_documents.file_ends, 1, of_documents.file_ends[0]))
    of_documents = replace(of_documents, file_hashes=np.arange(5, dtype=np.uint64))
    found = split_units(ids, of_documents, SplitParams(by="files", seed=seed))
    assert {name: len(texts_of(found, name)) for name in found.sizes} == {"train": 2, "val": 1, "test": 1}


@pytest.mark.parametrize("seed", range(5))
def test_a_document_that_is_most_of_the_text_is_in_train(seed: int) -> None:
    texts = ["the same"] * 95 + NAMES[:5]
    splits = split_units(*documents(texts), SplitParams(seed=seed, val_fraction=0.02, test_fraction=0.02))
    assert texts_of(splits, "train").count("the same") == 95
    assert len(texts_of(splits, "val")) == 2
    assert len(texts_of(splits, "test")) == 2
