from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.data.streams import Streams
from charrnn.errors import CorpusError

CPU = torch.device("cpu")
DTYPES = st.sampled_from([np.uint8, np.uint16, np.uint32])


def ids_of(length: int, dtype: type = np.uint16) -> np.ndarray:
    """Return ids that tell their position."""
    return np.arange(length, dtype=dtype)


def rows(streams: Streams) -> tuple[list[list[int]], list[list[int]]]:
    """Return the inputs and the targets of each stream, its windows joined."""
    windows = [streams.window(index) for index in range(streams.num_windows)]
    inputs = torch.cat([window.inputs for window in windows])
    targets = torch.cat([window.targets for window in windows])
    return inputs.t().tolist(), targets.t().tolist()


@given(st.integers(2, 200), st.integers(1, 8), st.integers(1, 12), st.booleans(), DTYPES)
@example(2, 1, 1, False, np.uint8)
@example(2, 64, 48, True, np.uint8)
@example(50, 7, 7, False, np.uint8)
@example(51, 7, 7, True, np.uint32)
def test_every_character_is_predicted_once_from_the_one_before_it(
    length: int, batch_size: int, seq_length: int, padding: bool, dtype: type
) -> None:
    ids, stop_id = ids_of(length, dtype), 200 if padding else None
    streams = Streams(ids, batch_size, seq_length, CPU, stop_id)

    # Stream b reads on from where b lengths of a stream end; its targets are one further.
    expected = min(batch_size, (length - 1) // seq_length) or 1
    assert streams.batch_size == expected
    stream = -(-(length - 1) // expected) if padding else (length - 1) // expected
    assert streams.stream_length == stream
    text = [*range(length), *[200] * (expected * stream + 1 - length)]
    inputs, targets = rows(streams)
    assert inputs == [text[b * stream : (b + 1) * stream] for b in range(expected)]
    assert targets == [text[b * stream + 1 : (b + 1) * stream + 1] for b in range(expected)]

    # The remainder is dropped, or predicted with padding after it.
    predicted = [target for row in targets for target in row]
    assert streams.characters == len(predicted)
    if padding:
        assert streams.dropped == 0
        assert predicted == [*range(1, length), *[200] * (len(predicted) - length + 1)]
    else:
        assert predicted == list(range(1, length - streams.dropped))
        assert streams.dropped < expected


@given(st.integers(2, 200), st.integers(1, 8), st.integers(1, 12), st.booleans())
def test_windows_are_full_but_the_last(length: int, batch_size: int, seq_length: int, padding: bool) -> None:
    streams = Streams(ids_of(length), batch_size, seq_length, CPU, 200 if padding else None)
    shapes = []
    for index in range(streams.num_windows):
        window = streams.window(index)
        inputs, targets = window.inputs, window.targets
        assert window.characters == targets.numel()
        assert inputs.shape == targets.shape
        assert inputs.dtype == targets.dtype == torch.int64
        shapes.append(tuple(inputs.shape))
    full, last = divmod(streams.stream_length, seq_length)
    assert shapes == [(seq_length, streams.batch_size)] * full + [(last, streams.batch_size)] * bool(last)


def test_a_small_text_laid_out_by_hand() -> None:
    streams = Streams(ids_of(12), 2, 3, CPU)
    assert (streams.batch_size, streams.stream_length, streams.num_windows, streams.dropped) == (2, 5, 2, 1)
    first, second = streams.window(0), streams.window(1)
    assert first.inputs.tolist() == [[0, 5], [1, 6], [2, 7]]
    assert first.targets.tolist() == [[1, 6], [2, 7], [3, 8]]
    assert second.inputs.tolist() == [[3, 8], [4, 9]]
    assert second.targets.tolist() == [[4, 9], [5, 10]]
    # Where each stream is in the text, and how far from its beginning.
    assert (first.begins.tolist(), second.begins.tolist()) == ([0, 5], [3, 8])
    assert (first.offsets.tolist(), second.offsets.tolist()) == ([0, 0], [3, 3])
    padded = Streams(ids_of(12), 2, 3, CPU, stop_id=99)
    assert (padded.stream_length, padded.dropped, padded.characters) == (6, 0, 12)
    assert padded.window(1).targets.tolist() == [[4, 10], [5, 11], [6, 99]]


def test_a_text_too_short_for_all_streams_has_fewer() -> None:
    assert Streams(ids_of(31), 4, 10, CPU).batch_size == 3
    assert Streams(ids_of(30), 4, 10, CPU).batch_size == 2
    short = Streams(ids_of(5), 4, 10, CPU)
    assert (short.batch_size, short.num_windows) == (1, 1)
    assert short.window(0).inputs.shape == (4, 1)


@pytest.mark.parametrize("length", [0, 1])
def test_one_character_predicts_nothing_and_is_an_error(length: int) -> None:
    with pytest.raises(CorpusError, match=f"^a split needs at least 2 characters, got {length}$"):
        Streams(ids_of(length), 1, 1, CPU)


@pytest.mark.parametrize("index", [-1, 2])
def test_there_are_no_other_windows(index: int) -> None:
    with pytest.raises(IndexError, match=f"window {index} of 2"):
        Streams(ids_of(12), 2, 3, CPU).window(index)


@pytest.mark.parametrize("stop_id", [None, 99])
def test_memory_mapped_ids_are_read_and_never_written_to(tmp_path: Path, stop_id: int | None) -> None:
    ids_of(60, np.uint8).tofile(tmp_path / "ids.bin")
    ids = np.memmap(tmp_path / "ids.bin", dtype=np.uint8, mode="c", shape=(60,))
    streams = Streams(ids[20:52], 2, 5, CPU, stop_id)
    assert rows(streams)[0][0] == list(range(20, 20 + streams.stream_length))
    window = streams.window(0)
    for tensor in (window.inputs, window.targets):
        tensor.zero_()
    assert streams.window(0).inputs[:, 0].tolist() == [20, 21, 22, 23, 24]
    assert ids.tolist() == list(range(60))
    assert (tmp_path / "ids.bin").read_bytes() == bytes(range(60))


def test_ids_that_stay_where_they_are_take_no_more_memory(tmp_path: Path) -> None:
    ids = ids_of(1000, np.uint32)
    streams = Streams(ids[100:900], 4, 10, CPU)
    ids[100] = 7
    assert int(streams.window(0).inputs[0, 0]) == 7


def test_a_device_may_be_named_with_its_number() -> None:
    streams = Streams(ids_of(50), 2, 5, torch.device("cpu", 0))
    assert rows(streams) == rows(Streams(ids_of(50), 2, 5, CPU))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="has no GPU")
@pytest.mark.parametrize("share", [0.25, 0.0], ids=["whole on the GPU", "window by window"])
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_windows_come_to_the_gpu(monkeypatch: pytest.MonkeyPatch, share: float, device: str, dtype: type) -> None:
    monkeypatch.setattr("charrnn.data.streams.GPU_SHARE", share)
    ids = ids_of(200, dtype)
    streams, same = Streams(ids, 4, 10, torch.device(device), 200), Streams(ids, 4, 10, CPU, 200)
    for index in range(streams.num_windows):
        window, expected = streams.window(index), same.window(index)
        for found, wanted in ((window.inputs, expected.inputs), (window.targets, expected.targets)):
            assert found.device.type == "cuda"
            assert torch.equal(found.cpu(), wanted)


class FakeGPU:
    """Stands in for a GPU where there is none: notes what would go to it, and leaves it on the CPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        self.moved: list[tuple[int, bool, bool]] = []
        pinned: set[int] = set()

        def pin(tensor: torch.Tensor) -> torch.Tensor:
            pinned.add(id(tensor))
            return tensor

        def to(tensor: torch.Tensor, device: torch.device, non_blocking: bool = False) -> torch.Tensor:
            assert device.type == "cuda"
            self.moved.append((tensor.numel(), id(tensor) in pinned, non_blocking))
            return tensor

        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, free))
        monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
        monkeypatch.setattr(torch.Tensor, "to", to)


def test_a_text_that_fits_goes_to_the_gpu_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGPU(monkeypatch, free=10**6)
    Streams(np.arange(200, dtype=np.uint8), 4, 7, torch.device("cuda"))
    assert gpu.moved == [(200, False, False)]


def test_a_text_that_does_not_fit_goes_window_by_window_from_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGPU(monkeypatch, free=100)
    streams = Streams(np.arange(200, dtype=np.uint8), 4, 7, torch.device("cuda"))
    assert gpu.moved == []
    window = streams.window(1)
    assert gpu.moved == [(4 * 8, True, True)]
    assert window.inputs.tolist()[1:] == window.targets.tolist()[:-1]
