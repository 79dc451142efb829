import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.schema import SplitParams, TrainingParams
from charrnn.data.splits import SMALLEST_SPLIT, Splits, Units, check_length
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
    parts = [splits.ids(name) for name in ("train", "val", "test")]
    assert np.concatenate(parts).tolist() == ids.tolist()
    assert all(np.shares_memory(part, ids) for part in parts)


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
