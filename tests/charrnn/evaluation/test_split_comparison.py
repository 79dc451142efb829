import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.schema import SplitParams
from charrnn.data.splits import Units, split
from charrnn.data.vocabulary import Ids, Vocabulary
from charrnn.evaluation import split_comparison
from charrnn.evaluation.ngram import NgramModel
from charrnn.evaluation.split_comparison import SplitComparison, compare_splits, compare_with_train
from tests.texts import made_up_play

CYRILLIC = str.maketrans("abcdefghijklmnoprstuvwyz", "абцдефгхийклмнопрстувжыз")
ROTATED = str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")


def encoded(*texts: str) -> tuple[int, list[Ids]]:
    """Return the number of ids, one for the stop symbol included, and the ids of each text."""
    characters = "".join(sorted({"a", *"".join(texts)}))
    vocabulary = Vocabulary(characters, (1,) * len(characters), (0,) * len(characters))
    return vocabulary.size, [vocabulary.encode(text) for text in texts]


def compare_streams(train: str, **parts: str) -> SplitComparison:
    size, (ids, *others) = encoded(train, *parts.values())
    return compare_splits(ids, dict(zip(parts, others, strict=True)), size)


def compare_documents(train: Sequence[str], **parts: Sequence[str]) -> SplitComparison:
    # The stop symbol is the last id, that of a character after all others.
    stop = "\U0010ffff"
    texts = ["".join(document + stop for document in documents) for documents in (train, *parts.values())]
    size, (ids, *others) = encoded(*texts)
    return compare_splits(ids, dict(zip(parts, others, strict=True)), size, size - 2)


def made_up_names(count: int, seed: int, letters: str = "abdeiklmnorsu") -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(letters, range(1, len(letters) + 1), k=draw.randint(3, 9))) for _ in range(count)]


def noise(length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("abcdefgh", k=length))


TEXT = st.text("abcdé", max_size=60)
DOCUMENTS = st.lists(st.text("abcdé", max_size=8), max_size=12)


@given(TEXT, TEXT, TEXT)
def test_the_unseen_share_is_that_of_the_characters_that_train_lacks(train: str, val: str, test: str) -> None:
    found = {row.split: row for row in compare_streams(train, val=val, test=test).rows}
    assert set(found) == {name for name, text in (("val", val), ("test", test)) if text and train}
    for name, text in (("val", val), ("test", test)):
        if name in found:
            assert found[name].characters == len(text)
            assert found[name].unseen_share == pytest.approx(sum(c not in set(train) for c in text) / len(text))


@given(DOCUMENTS, DOCUMENTS)
def test_stop_symbols_are_no_characters(train: list[str], val: list[str]) -> None:
    (row,) = compare_documents(train, val=val).rows if train and val else (None,)
    if row is not None:
        text, known = "".join(val), set("".join(train))
        assert row.characters == len(text)
        assert row.unseen_share == pytest.approx(sum(c not in known for c in text) / max(len(text), 1))


@given(st.lists(st.integers(0, 3), max_size=700), st.lists(st.integers(0, 3), max_size=700), st.none() | st.just(3))
def test_too_little_text_says_nothing_of_the_loss(train: list[int], val: list[int], stop: int | None) -> None:
    if stop is not None:
        train, val = [*[id_ for id_ in train if id_ != stop][:7], stop], [*val, stop]
    comparison = compare_splits(np.array(train, np.uint8), {"val": np.array(val, np.uint8)}, 4, stop)
    assert all(row.loss is row.gap is row.standard_error is None for row in comparison.rows)
    assert set(comparison.metrics) <= {"splits/val_unseen_share"}


def test_the_table_says_so_where_there_is_too_little_text_to_tell() -> None:
    assert list(compare_streams("abc" * 300, val="abc").to_frame()["differs"]) == ["too little text to tell"]
    assert list(compare_streams("abc" * 300, val="x" * 100).to_frame()["differs"]) == ["yes"]


def test_eight_blocks_on_both_sides_say_something_of_the_loss() -> None:
    text = made_up_play(20_000)
    for train, val, told in ((16_000, 800, True), (15_999, 800, False), (16_000, 799, False)):
        (row,) = compare_streams(text[:train], val=text[-val:]).rows
        assert (row.gap is not None) == told


def test_one_odd_block_says_nothing() -> None:
    text = made_up_play(30_000)
    (row,) = compare_streams(text[:28_000], val=text[28_000:29_000] + "etaoin" * 17).rows
    assert row.gap is not None
    assert row.gap > 0.19
    assert not row.has_gap


def test_a_few_unseen_characters_say_nothing() -> None:
    (row,) = compare_streams("abc" * 100, val="abc" * 15 + "я" * 19).rows
    assert row.unseen_share > 0.2
    assert not row.has_unseen
    (row,) = compare_streams("abc" * 100, val="abc" * 15 + "я" * 20).rows
    assert row.has_unseen


def test_characters_that_are_rare_throughout_are_no_sign_of_another_kind() -> None:
    # A text of which every tenth character is one that occurs nowhere else.
    text = "".join(chr(0x4E00 + i) if i % 10 == 0 else "ab"[i % 2] for i in range(20_000))
    comparison = compare_streams(text[:18_000], val=text[18_000:])
    assert comparison.rows[0].unseen_share == pytest.approx(0.1)
    assert comparison.warning(None) == ""


def test_a_text_that_goes_on_as_before_resembles_train() -> None:
    text = made_up_play(60_000)
    comparison = compare_streams(text[:54_000], val=text[54_000:57_000], test=text[57_000:])
    assert [row.split for row in comparison.rows] == ["val", "test"]
    assert all(row.gap is not None and abs(row.gap) < 0.1 for row in comparison.rows)
    assert comparison.warning("position") == ""
    assert list(comparison.to_frame()["differs"]) == ["no", "no"]


def test_another_language_at_the_end_is_told_with_both_figures_and_what_to_set() -> None:
    text = made_up_play(30_000) + made_up_play(1_800, seed=1).lower().translate(CYRILLIC)
    comparison = compare_streams(text[:-1_800], val=text[-1_800:-900], test=text[-900:])
    warning = comparison.warning(None)
    assert len(warning.splitlines()) == 1
    val = comparison.rows[0]
    assert val.unseen_share > 0.7
    assert val.loss is not None
    assert val.held_out_loss is not None
    assert f"{val.unseen_share:.1%} of its characters never occur in train" in warning
    assert f"a 5-gram of train gives it {val.loss:.2f} nats, other train text {val.held_out_loss:.2f}" in warning
    assert "test does not resemble train" in warning
    assert warning.endswith("splits.by is position: set splits.by=blocks for splits that resemble train")


def test_another_language_of_the_same_letters_is_told_by_the_loss() -> None:
    text = made_up_play(30_000).lower()
    letters = "qzxjpcb"
    comparison = compare_streams(letters + text[:28_000], val=text[28_000:].translate(ROTATED).replace("-", ""))
    assert comparison.rows[0].has_gap
    assert "val does not resemble train (a 5-gram of train gives it" in comparison.warning("position")


def test_a_split_that_train_has_a_copy_of_is_told_as_easier() -> None:
    train = noise(30_000, seed=1)
    assert compare_streams(train, val=noise(2_000, seed=2)).warning(None) == ""
    copied = compare_streams(train, val=train[3_000:3_700] + train[9_000:9_700] + train[20_000:20_700])
    assert copied.rows[0].gap is not None
    assert copied.rows[0].gap < -0.19
    assert "val does not resemble train (a 5-gram of train gives it" in copied.warning(None)


def test_only_what_differs_is_told() -> None:
    text = made_up_play(40_000)
    warning = compare_streams(text[:36_000], val=text[36_000:], test="ъ" * 1_000).warning("files")
    assert "100.0% of its characters never occur in train" in warning
    assert "val" not in warning.replace("splits.val", "")
    assert "splits.by is files: set splits.by=blocks" in warning


def test_documents_by_position_in_a_sorted_list_are_told_and_drawn_ones_are_not() -> None:
    names = made_up_names(3_000, 1) + made_up_names(300, 2, "zyxwvutsrq")
    warning = compare_documents(names[:-200], val=names[-200:-100], test=names[-100:]).warning("position")
    assert "val does not resemble train (a 5-gram of train gives it" in warning
    assert warning.endswith("splits.by is position: set splits.by=documents for splits that resemble train")
    random.Random(3).shuffle(names)
    drawn = compare_documents(names[:-200], val=names[-200:-100], test=names[-100:])
    assert drawn.rows[0].gap is not None
    assert drawn.warning("documents") == ""


def test_where_the_better_way_is_taken_already_the_advice_is_another() -> None:
    names = made_up_names(3_000, 1)
    comparison = compare_documents(names, val=made_up_names(100, 2, "zyxwvutsrq"))
    assert "splits.by is documents already" in comparison.warning(None)
    assert "splits.by is blocks already" in compare_streams("ab" * 1_000, val="c" * 100).warning("blocks")


def test_held_out_documents_have_no_equal_among_those_that_are_counted() -> None:
    # Each occurs five times: counted beside its equals, the held-out part would be easy, and fresh ones seem harder.
    names = made_up_names(1_500, 1) * 5
    random.Random(2).shuffle(names)
    known = set(names)
    comparison = compare_documents(names, val=[name for name in made_up_names(1_000, 3) if name not in known])
    assert comparison.rows[0].gap is not None
    assert comparison.warning(None) == ""
    again = compare_documents(names, val=names[:1_000])
    assert "val does not resemble train (a 5-gram of train gives it" in again.warning("position")


def test_documents_that_are_all_equal_are_no_fault() -> None:
    for name in made_up_names(60, 1):
        assert compare_documents([name] * 200, val=[name] * 10).warning(None) == ""


class Recording(NgramModel):
    """The n-gram model, which keeps what it counted and read."""

    counted: Ids
    read: list[Ids]

    def __init__(self, train_ids: Ids, vocabulary_size: int, order: int) -> None:
        super().__init__(train_ids, vocabulary_size, order)
        Recording.counted, Recording.read = train_ids, []

    def probabilities(self, ids: Ids) -> "np.typing.NDArray[np.float64]":
        Recording.read.append(ids)
        return super().probabilities(ids)


@pytest.mark.parametrize("stop", [None, 3])
def test_of_a_long_text_stretches_spread_over_it_are_used(stop: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_comparison, "NgramModel", Recording)
    monkeypatch.setattr(split_comparison, "MOST_COUNTED", 40_000)
    monkeypatch.setattr(split_comparison, "MOST_EVALUATED", 8_000)
    # Documents of 16 ids and the stop symbol, 3: in the first half of 0 and 1 only, in the second of 4 and 5.
    train = np.random.default_rng(1).integers(0, 2, 17 * 12_003).astype(np.uint8)
    train[17 * 6_000 :] += 4
    train[16::17] = 3
    (row,) = compare_splits(train, {"val": train[: 17 * 6_000]}, 6, stop).rows
    assert row.characters == (17 * 6_000 if stop is None else 16 * 6_000)
    assert row.loss is not None
    held_out, val = sum(map(len, Recording.read[:-40])), sum(map(len, Recording.read[-40:]))
    assert 36_000 < len(Recording.counted) + held_out <= 40_000 + 40 * 4
    assert 7_000 < val <= 8_000
    in_first_half = np.count_nonzero(Recording.counted < 2) / np.count_nonzero(Recording.counted != 3)
    assert in_first_half == pytest.approx(0.5, abs=0.02)
    if stop is not None:
        assert all(len(ids) % 17 == 0 and (ids[16::17] == stop).all() for ids in (Recording.counted, *Recording.read))


def test_held_out_pieces_are_not_counted_and_have_their_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_comparison, "NgramModel", Recording)
    train = np.arange(20_000, dtype=np.uint16)
    compare_splits(train, {"val": train[:1_000]}, 20_000)
    pieces = [ids[4:] for ids in Recording.read[:-1]]
    assert [ids[4] - ids[3] for ids in Recording.read[:-1]] == [1] * 10
    assert {len(piece) for piece in pieces} == {100}
    assert sorted(np.concatenate([Recording.counted, *pieces])) == list(range(20_000))


def test_the_loss_is_the_mean_over_the_characters_of_the_split() -> None:
    size, (train, val) = encoded(made_up_play(20_000), made_up_play(1_234, seed=5))
    (row,) = compare_splits(train, {"val": val}, size).rows
    counted = np.concatenate([part[i] for part in np.array_split(train, 10) for i in (slice(950), slice(1_050, None))])
    expected = -np.log(NgramModel(counted, size, 5).probabilities(val)).mean()
    assert row.loss == pytest.approx(float(expected), rel=1e-12)
    assert row.standard_error is not None
    assert 0 < row.standard_error < 0.2


def test_every_id_type_and_a_mapped_file_give_the_same(tmp_path: Path) -> None:
    size, (train, val) = encoded(made_up_play(20_000), made_up_play(2_000, seed=5))
    train.tofile(tmp_path / "ids")
    mapped = np.memmap(tmp_path / "ids", dtype=train.dtype, mode="r")
    found = {compare_splits(train.astype(t), {"val": val.astype(t)}, size) for t in (np.uint8, np.uint16, np.uint32)}
    assert found == {compare_splits(mapped, {"val": val}, size)}


def test_metrics_and_table_have_a_row_for_each_split_there_is() -> None:
    text = made_up_play(30_000)
    characters = "".join(sorted(set(text)))
    vocabulary = Vocabulary(characters, (1,) * len(characters), (0,) * len(characters))
    ids = vocabulary.encode(text)
    units = Units(None, None, np.array([len(ids)]), np.zeros(1, dtype=np.uint64))
    comparison = compare_with_train(split(ids, units, SplitParams()), vocabulary)
    assert list(comparison.metrics) == [
        "splits/val_unseen_share",
        "splits/val_loss_gap",
        "splits/test_unseen_share",
        "splits/test_loss_gap",
    ]
    frame = comparison.to_frame()
    assert list(frame["split"]) == ["val", "test"]
    assert list(frame["gap"]) == pytest.approx(list(frame["loss"] - frame["held_out_loss"]))
    only_val = compare_with_train(split(ids, units, SplitParams(test_fraction=0)), vocabulary)
    assert [row.split for row in only_val.rows] == ["val"]


@pytest.mark.parametrize(
    ("lines", "told"), [(made_up_names(3_000, 1), True), (made_up_play(20_000).split("\n"), False)]
)
def test_a_stream_of_short_lines_may_be_a_list(lines: list[str], told: bool) -> None:
    text = "".join(
        f"{line}\n" for line in [*lines, *(line.lower().translate(CYRILLIC) for line in lines[: len(lines) // 20])]
    )
    characters = "".join(sorted(set(text)))
    vocabulary = Vocabulary(characters, tuple(map(text.count, characters)), (0,) * len(characters))
    ids = vocabulary.encode(text)
    units = Units(None, None, np.array([len(ids)]), np.zeros(1, dtype=np.uint64))
    warning = compare_with_train(split(ids, units, SplitParams()), vocabulary).warning(None)
    assert "set splits.by=blocks for splits that resemble train" in warning
    advice = ", or, if each line is a text of its own, data.documents=lines and splits.by=documents"
    assert warning.endswith(advice) == told


def test_long_documents_of_another_language_are_seen_too() -> None:
    text = made_up_play(400_000)
    other = "".join(random_letters(number) for number in range(3))
    size, (train, val) = encoded("\0".join([text[:200_000], text[200_000:], ""]), "\0".join([other, ""]))
    stop = 0  # NUL is the first character of the vocabulary
    comparison = compare_splits(train, {"val": val}, size, stop)
    assert comparison.rows[0].differs


def random_letters(seed: int) -> str:
    """Return 100,000 letters that are no language."""
    letters = np.random.default_rng(seed).choice(list("abcdefghijklmnopqrstuvwxyz "), 100_000)
    return "".join(letters.tolist())
