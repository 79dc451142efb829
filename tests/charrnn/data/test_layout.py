import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.schema import EvaluationParams
from charrnn.data.layout import cut, lay_out, lay_out_evaluation
from charrnn.data.pieces import Pieces
from charrnn.data.splits import Splits
from charrnn.data.streams import Streams
from charrnn.data.windows import IGNORED, Windows
from charrnn.errors import CorpusError

CPU = torch.device("cpu")
IDS = np.arange(20_000, dtype=np.uint16)


def predicted(laid_out: Windows) -> list[tuple[int, int]]:
    """Return every input with its target."""
    pairs = []
    for index in range(laid_out.num_windows):
        window = laid_out.window(index)
        kept = window.targets != IGNORED
        pairs += list(zip(window.inputs[kept].tolist(), window.targets[kept].tolist(), strict=True))
    return sorted(pairs)


def splits(spans: list[list[int]], documents: bool = False) -> Splits:
    found = {"train": np.array(spans)}
    return Splits(IDS, found, {"train": np.arange(len(spans))} if documents else None)


def test_a_text_in_one_span_is_cut_into_parallel_streams() -> None:
    laid_out = lay_out(splits([[100, 900]]), "train", 4, 10, CPU, stop_id=7)
    assert isinstance(laid_out, Streams)
    assert laid_out.window(0).inputs[0].tolist() == [100, 300, 500, 700]


def test_each_document_is_a_piece_that_begins_with_the_stop_symbol_before_it() -> None:
    laid_out = lay_out(splits([[11, 20], [40, 44], [44, 45]], documents=True), "train", 4, 6, CPU)
    assert isinstance(laid_out, Pieces)
    expected = [*range(10, 19), *range(39, 43), 43]
    assert predicted(laid_out) == [(at, at + 1) for at in expected]


def test_one_document_is_a_piece_too() -> None:
    assert isinstance(lay_out(splits([[11, 20]], documents=True), "train", 4, 6, CPU), Pieces)


@given(st.lists(st.integers(1, 60), min_size=2, max_size=8), st.integers(1, 5), st.integers(1, 12))
def test_spans_of_a_stream_are_read_whole_and_nothing_across_their_ends(
    lengths: list[int], batch_size: int, seq_length: int
) -> None:
    ends = np.cumsum(np.array(lengths) + 3)
    spans = [[end - length, end] for length, end in zip(lengths, ends.tolist(), strict=True)]
    expected = [(at, at + 1) for start, end in spans for at in range(start, end - 1)]
    if not expected:
        with pytest.raises(CorpusError):
            lay_out(splits(spans), "train", batch_size, seq_length, CPU)
        return
    assert predicted(lay_out(splits(spans), "train", batch_size, seq_length, CPU)) == expected


def test_long_spans_are_cut_so_that_the_streams_are_filled() -> None:
    starts, ends = cut(np.array([[0, 7000], [7100, 10_000]]), 16, 10)
    assert len(starts) == 16
    assert (ends - starts).max() - (ends - starts).min() <= 80
    laid_out = lay_out(splits([[0, 14_000], [14_100, 20_000]]), "train", 8, 10, CPU)
    filled = [laid_out.window(index).characters for index in range(laid_out.num_windows)]
    assert sum(filled) == 19_898
    assert len(filled) <= 1.25 * 19_898 / 80


def test_a_sample_of_documents_has_documents_of_all_lengths_and_no_more_than_asked_for() -> None:
    lengths = [3] * 300 + [30] * 300
    ends = np.cumsum(np.array(lengths) + 1) + 1
    spans = np.stack([ends - lengths - 1, ends], axis=1).tolist()
    whole = lay_out(splits(spans, documents=True), "train", 4, 16, CPU)
    sample = lay_out(splits(spans, documents=True), "train", 4, 16, CPU, most=2000)
    assert whole.characters == sum(lengths) + 600
    assert 1900 <= sample.characters <= 2000
    long = sum(31 for index in range(sample.num_windows) for offset in sample.window(index).offsets if offset == 16)
    assert 0.7 * 31 / 35 < long / sample.characters < 1.2 * 31 / 35
    assert lay_out(splits(spans, documents=True), "train", 4, 16, CPU, most=1).characters in (4, 31)


@pytest.mark.parametrize(("characters", "streams"), [(500, 1), (3_768, 3), (20_000, 8)])
def test_a_short_split_is_evaluated_in_fewer_streams(characters: int, streams: int) -> None:
    of_stream = Splits(IDS, {"val": np.array([[0, characters]])}, None)
    laid_out = lay_out_evaluation(of_stream, "val", EvaluationParams(batch_size=8), 10, CPU)
    assert isinstance(laid_out, Streams)
    assert laid_out.batch_size == streams


def test_documents_are_evaluated_side_by_side_however_short_they_are() -> None:
    spans = np.array([[1 + 10 * k, 11 + 10 * k] for k in range(20)])
    of_documents = Splits(IDS, {"val": spans}, {"val": np.arange(20)})
    laid_out = lay_out_evaluation(of_documents, "val", EvaluationParams(batch_size=8), 10, CPU)
    assert laid_out.window(0).inputs.shape[1] == 8
