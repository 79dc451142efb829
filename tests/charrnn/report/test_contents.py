import time

import pytest

from charrnn.report.contents import measure
from charrnn.report.subject import Subject
from tests.charrnn.report.subjects import subject_of
from tests.texts import made_up_play

TEXT = made_up_play(40_000)


def test_with_time_enough_all_of_a_small_text_is_read() -> None:
    subject = subject_of(TEXT, "splits.val_fraction=0.1")
    found = measure(subject, 1000)
    assert subject.splits
    sizes = subject.splits.sizes
    assert len(found.reading.bits) == sizes["val"]
    assert found.baseline
    assert found.copying
    assert found.baseline.counted == found.copying.searched == sizes["train"]
    assert found.context.rows[-1].length == 2000
    assert len(found.gradients.targets) == found.gradients.wanted == 160
    assert {one.written.options.length for one in found.samples} == {80}


def test_when_the_time_is_over_each_part_is_the_least_that_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.report.contents._FEWEST_OF_TRAINING", 1000)
    subject = subject_of(TEXT, "splits.val_fraction=0.4", "sampling.length=1000")
    found = measure(subject, 10, started=time.monotonic() - 60)
    assert 1000 <= len(found.reading.bits) < 4000
    assert found.baseline
    assert found.copying
    assert 1000 <= found.baseline.counted < 4000
    assert 1000 <= found.copying.searched < 4000
    assert found.context.rows == []
    assert 0 < len(found.gradients.targets) <= 16
    assert {one.written.options.length for one in found.samples} == {62}
    assert found.seconds > 60


def test_without_the_training_text_nothing_is_counted_or_searched() -> None:
    whole = subject_of(TEXT)
    found = measure(Subject("x", whole.checkpoint, None, None, made_up_play(900, seed=5), "mine.txt"), 60)
    assert (found.baseline, found.copying) == (None, None)
    assert all(one.passage is None for one in found.samples)
