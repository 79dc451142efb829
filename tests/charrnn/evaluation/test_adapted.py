from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from charrnn.data.streams import Streams
from charrnn.evaluation import adapted
from charrnn.evaluation.adapted import evaluate_adapted
from charrnn.evaluation.dynamic import dynamic_predictions
from charrnn.evaluation.losses import Predictions
from charrnn.evaluation.mixture import adapted_losses
from charrnn.evaluation.word_contexts import in_words
from charrnn.model.char_rnn import CharRNN
from tests.charrnn.evaluation.reading import CPU, IDS, VOCABULARY

IN_WORD = in_words(VOCABULARY)
STREAMS = Streams(np.tile(IDS, 10), 1, 20, CPU)  # 112 segments


class Clock:
    """Time that passes as somebody reads; counts the segments that were read alone and with the n-gram model."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, alone: float = 1.0, counting: float = 0.0, together: float = 1.0
    ) -> None:
        self.now, self.alone, self.together = 0.0, 0, 0

        def reading_alone(*_: object) -> Iterator[SimpleNamespace]:
            for _number in range(STREAMS.num_windows):
                self.now, self.alone = self.now + alone, self.alone + 1
                yield SimpleNamespace(targets=np.zeros(20))

        def reading_together(*_: object) -> Iterator[tuple[np.ndarray, np.ndarray]]:
            self.now += counting
            for _number in range(STREAMS.num_windows):
                self.now, self.together = self.now + together, self.together + 1
                yield np.full(20, 2.0), np.full(20, 1.0)

        monkeypatch.setattr(adapted, "dynamic_predictions", reading_alone)
        monkeypatch.setattr(adapted, "adapted_losses", reading_together)

    def evaluate(self, model: CharRNN, seconds: float) -> dict[str, float] | None:
        found = evaluate_adapted(model, IDS[:100], STREAMS, IN_WORD, seconds, lambda: self.now)
        return found.metrics if found else None


def test_the_means_are_those_of_the_losses(model: CharRNN) -> None:
    streams = Streams(IDS, 1, 20, CPU)
    own, mixed = zip(*adapted_losses(model, IDS[:100], streams, IN_WORD), strict=True)
    found = evaluate_adapted(model, IDS[:100], streams, IN_WORD, seconds=1e6)
    assert found is not None
    assert found.dynamic_loss == pytest.approx(np.concatenate(own).mean())
    assert found.adaptive_loss == pytest.approx(np.concatenate(mixed).mean())


def test_what_fits_is_read_to_the_end(model: CharRNN, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert clock.evaluate(model, 130.0) == {"dynamic_loss": 2.0, "adaptive_loss": 1.0}
    assert (clock.alone, clock.together) == (3, 112)


def test_a_model_that_is_too_slow_alone_is_found_out_before_anything_is_counted(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    assert clock.evaluate(model, 100.0) is None
    assert (clock.alone, clock.together) == (3, 0)


def test_reading_alone_ends_as_soon_as_the_time_is_over(model: CharRNN, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, alone=60.0)
    assert clock.evaluate(model, 100.0) is None
    assert (clock.alone, clock.together) == (2, 0)


def test_a_first_segment_that_is_slow_says_nothing_of_a_short_text(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Streams(IDS, 1, 20, CPU)  # 12 segments: the first is more than a glance
    clock = SimpleNamespace(now=0.0)

    def cold(*arguments: Any) -> Iterator[Predictions]:
        clock.now += 5.0
        yield from dynamic_predictions(*arguments)

    monkeypatch.setattr(adapted, "dynamic_predictions", cold)
    assert evaluate_adapted(model, IDS[:100], short, IN_WORD, 10.0, lambda: clock.now) is not None


@pytest.mark.parametrize(("counting", "together"), [(900.0, 1.0), (0.0, 9.0)])
def test_a_text_that_takes_too_long_is_given_up_after_its_first_part(
    counting: float, together: float, model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, 1.0, counting, together)
    assert clock.evaluate(model, 1000.0) is None
    assert clock.together == 6


def test_counting_that_takes_too_long_is_the_end(model: CharRNN, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, counting=2000.0)
    assert clock.evaluate(model, 1000.0) is None
    assert clock.together == 1


@pytest.mark.parametrize("limit", ["FASTEST", "MOST_CHARACTERS"])
def test_what_is_far_too_long_is_not_begun(limit: str, model: CharRNN, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr(adapted, limit, 1)
    assert clock.evaluate(model, 1000.0) is None
    assert (clock.alone, clock.together) == (0, 0)
