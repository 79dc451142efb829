from collections import Counter
from copy import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.pieces import LENGTH_STEP, Pieces
from charrnn.data.windows import IGNORED

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def pieces(lengths: list[int], batch_size: int, seq_length: int, seed: int = 0) -> Pieces:
    """Lay out pieces of so many predictions each, whose ids tell their positions."""
    ends = np.cumsum(np.array(lengths) + 1)
    ids = np.arange(ends[-1], dtype=np.uint16)
    return Pieces(ids, np.concatenate([[0], ends[:-1]]), ends, batch_size, seq_length, CPU, seed)


def read(laid_out: Pieces, epoch: int) -> list[list[tuple[int, int]]]:
    """Return what each stream reads in an epoch: pairs of input and target, grouped where its state begins anew."""
    streams: list[list[list[tuple[int, int]]]] = [[] for _ in range(laid_out.batch_size)]
    for index in range(laid_out.num_windows):
        window = laid_out.window(index, epoch)
        predicted = window.targets != IGNORED
        assert window.characters == int(predicted.sum())
        assert 1 <= len(window.inputs) <= laid_out.seq_length
        for number, stream in enumerate(streams):
            kept = predicted[:, number]
            if not kept.any():
                continue
            if window.offsets[number] == 0:
                stream.append([])
            assert window.offsets[number] == len(stream[-1])
            assert window.begins[number] == int(window.inputs[0, number])
            inputs, targets = window.inputs[kept, number].tolist(), window.targets[kept, number].tolist()
            # What is predicted comes first, nothing follows it.
            assert kept.tolist() == [True] * len(inputs) + [False] * (len(kept) - len(inputs))
            stream[-1] += zip(inputs, targets, strict=True)
    return [group for stream in streams for group in stream]


@given(LENGTHS, st.integers(1, 8), st.integers(1, 12), st.integers(0, 3))
def test_in_each_epoch_each_piece_is_read_once_from_its_beginning(
    lengths: list[int], batch_size: int, seq_length: int, epoch: int
) -> None:
    laid_out = pieces(lengths, batch_size, seq_length)
    ends = np.cumsum(np.array(lengths) + 1)
    expected = [
        [(at, at + 1) for at in range(end - 1 - length, end - 1)] for length, end in zip(lengths, ends, strict=True)
    ]
    assert sorted(read(laid_out, epoch)) == expected
    assert laid_out.characters == sum(lengths)
    assert laid_out.batch_size == min(batch_size, len(lengths))


@given(LENGTHS, st.integers(1, 8), st.integers(1, 12), st.data())
def test_a_window_depends_on_nothing_that_was_read_before(
    lengths: list[int], batch_size: int, seq_length: int, data: st.DataObject
) -> None:
    laid_out = pieces(lengths, batch_size, seq_length)
    in_order = [laid_out.window(index, epoch) for epoch in (0, 1) for index in range(laid_out.num_windows)]
    places = [(epoch, index) for epoch in (0, 1) for index in range(laid_out.num_windows)]
    fresh = pieces(lengths, batch_size, seq_length)
    for number in data.draw(st.lists(st.integers(0, len(places) - 1), max_size=6)):
        epoch, index = places[number]
        window = fresh.window(index, epoch)
        assert torch.equal(window.inputs, in_order[number].inputs)
        assert torch.equal(window.targets, in_order[number].targets)
        assert window.offsets.tolist() == in_order[number].offsets.tolist()


def test_each_epoch_and_each_seed_has_an_order_of_its_own() -> None:
    lengths = [5] * 200
    orders = [
        [int(first) for index in range(50) for first in pieces(lengths, 4, 8, seed).window(index, epoch).begins]
        for seed, epoch in ((1, 0), (1, 1), (2, 0), (1, 0))
    ]
    assert orders[0] == orders[3]
    assert len({tuple(order) for order in orders}) == 3
    # Neighbours in the text are apart: of 199 pairs, about one stands side by side by chance.
    side_by_side = Counter(abs(a - b) for a, b in zip(orders[0], orders[0][1:], strict=False))[6]
    assert side_by_side < 10


def test_pieces_of_about_the_same_length_share_a_window() -> None:
    random = np.random.default_rng(1)
    lengths = random.integers(3, 16, 3000).tolist()
    laid_out = pieces(lengths, 32, 16)
    windows = [laid_out.window(index) for index in range(laid_out.num_windows)]
    assert sum(window.targets.numel() for window in windows) < 1.3 * sum(lengths)


@given(st.integers(1, 8), st.integers(1, 40), st.integers(1, 20), st.integers(0, 3))
def test_pieces_of_a_turn_differ_in_length_by_less_than_a_step_but_where_two_groups_meet(
    batch_size: int, turns: int, seq_length: int, epoch: int
) -> None:
    lengths = np.random.default_rng(turns).integers(1, 13, turns * batch_size).tolist()
    laid_out = pieces(lengths, batch_size, seq_length)
    length_at = dict(zip(np.cumsum([0, *(length + 1 for length in lengths)]).tolist(), lengths, strict=False))
    taken: list[list[int]] = [[] for _ in range(batch_size)]
    for index in range(laid_out.num_windows):
        window = laid_out.window(index, epoch)
        for number in np.flatnonzero((window.offsets == 0) & (window.targets[0] != IGNORED).numpy()):
            taken[number].append(length_at[window.begins[number]])
    groups = {(-(-length // seq_length), length // LENGTH_STEP) for length in lengths}
    mixed = [turn for turn in zip(*taken, strict=True) if max(turn) - min(turn) >= LENGTH_STEP]
    assert len(mixed) < len(groups)


def test_reading_two_epochs_in_turn_by_a_copy_changes_neither() -> None:
    laid_out = pieces([5, 9, 3, 30, 7] * 9, 4, 8)
    other = copy(laid_out)
    for index in range(laid_out.num_windows):
        for one, epoch in ((laid_out, 2), (other, 0)):
            expected = pieces([5, 9, 3, 30, 7] * 9, 4, 8).window(index, epoch)
            assert torch.equal(one.window(index, epoch).inputs, expected.inputs)


def test_a_window_that_is_not_there_is_refused() -> None:
    for index in (-1, 2):
        with pytest.raises(IndexError):
            pieces([3, 4], 1, 8).window(index)
