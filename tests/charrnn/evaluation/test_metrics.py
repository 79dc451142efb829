"""Each metric against a plain reference, and the table they are in."""

import math
import subprocess
import sys
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from charrnn.evaluation import metrics
from charrnn.evaluation.losses import Predictions
from charrnn.evaluation.metrics import (
    METRICS,
    all_metrics,
    bits_per_char,
    is_among_five_likeliest,
    perplexity,
    window_sums,
)

Read = Sequence[tuple[list[float], int]]
"""The logits before each character, and its id."""


def reference_loss(read: Read) -> float:
    return math.fsum(math.log(math.fsum(map(math.exp, logits))) - logits[target] for logits, target in read) / len(read)


def reference_accuracy(read: Read) -> float:
    return sum(logits.index(max(logits)) == target for logits, target in read) / len(read)


def reference_top5_accuracy(read: Read) -> float:
    return sum(logits[target] >= sorted(logits)[-5:][0] for logits, target in read) / len(read)


REFERENCES: dict[str, Callable[[Read], float]] = {
    "loss": reference_loss,
    "bits_per_char": lambda read: math.log2(math.exp(reference_loss(read))),
    "perplexity": lambda read: math.exp(reference_loss(read)),
    "accuracy": reference_accuracy,
    "top5_accuracy": reference_top5_accuracy,
}


@st.composite
def windows(draw: st.DrawFn) -> list[Read]:
    """Two windows of one vocabulary, however small, with logits among which many are equal."""
    size = draw(st.integers(2, 12))
    logits = st.lists(st.sampled_from([-8.0, -1.0, 0.0, 0.5, 3.0]), min_size=size, max_size=size)
    read = st.lists(st.tuples(logits, st.integers(0, size - 1)), min_size=1, max_size=6)
    return [draw(read), draw(read)]


def predictions(read: Read) -> Predictions:
    """What a window holds: one stream of these characters."""
    logits = torch.tensor([logits for logits, _ in read])
    targets = torch.tensor([target for _, target in read])
    places = np.arange(len(read))
    return Predictions(F.cross_entropy(logits, targets, reduction="none"), logits, targets, places, places + 1)


def measured(*read: Read) -> dict[str, float]:
    sums = [window_sums(predictions(window)) for window in read]
    return all_metrics({key: math.fsum(window[key] for window in sums) for key in sums[0]}, sum(map(len, read)))


def test_every_metric_has_a_reference_here() -> None:
    assert list(REFERENCES) == list(METRICS)


@pytest.mark.parametrize("key", REFERENCES)
@given(read=windows())
def test_a_metric_is_that_of_its_plain_reference(key: str, read: list[Read]) -> None:
    assert measured(*read)[key] == pytest.approx(REFERENCES[key]([*read[0], *read[1]]), rel=1e-5, abs=1e-6)


def test_a_byte_has_eight_bits_and_256_equally_likely_values() -> None:
    assert bits_per_char(math.log(256)) == pytest.approx(8, rel=1e-12)
    assert perplexity(math.log(256)) == pytest.approx(256, rel=1e-12)


@pytest.mark.parametrize(("loss", "finite"), [(708.0, True), (710.0, False), (math.inf, False), (math.nan, False)])
def test_a_perplexity_beyond_floats_is_infinite(loss: float, finite: bool) -> None:
    assert math.isfinite(perplexity(loss)) == finite


@pytest.mark.parametrize("size", [2, 4, 5])
@pytest.mark.parametrize("target", [0, 1])
def test_of_five_characters_or_fewer_each_is_among_the_five_likeliest(size: int, target: int) -> None:
    assert measured([([float(number) for number in range(size)], target)])["top5_accuracy"] == 1


@pytest.mark.parametrize(("larger", "equal", "expected"), [(4, 0, 1), (5, 0, 0), (4, 3, 1), (5, 3, 0), (0, 9, 1)])
def test_equal_logits_are_not_larger_in_whatever_order_they_stand(larger: int, equal: int, expected: int) -> None:
    logits = [*[2.0] * larger, *[1.0] * equal, 1.0, 0.0, 0.0]
    for order in ([*logits], [*reversed(logits)]):
        target = order.index(1.0)
        assert measured([(order, target)])["top5_accuracy"] == expected


@pytest.mark.parametrize("broken", [[0], [1, 2, 3, 4, 5]])
def test_a_model_without_numbers_has_nothing_among_the_five_likeliest(broken: list[int]) -> None:
    logits = [math.nan if number in broken else 1.0 for number in range(7)]
    assert measured([(logits, 0)])["top5_accuracy"] == 0


def test_the_size_of_the_pieces_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(21, 9, generator=generator)
    targets, places = torch.randint(0, 9, (21,), generator=generator), np.arange(21)
    window = Predictions(torch.zeros(21), logits, targets, places, places)
    whole = is_among_five_likeliest(window)
    assert 0 < whole.sum() < whole.numel()
    for size in (1, 27, 60):
        monkeypatch.setattr(metrics, "PIECE_LOGITS", size)
        assert torch.equal(is_among_five_likeliest(window), whole)


def test_every_format_takes_a_number() -> None:
    for metric in METRICS.values():
        for form in (metric.title_format, metric.summary, metric.log):
            assert form is None or form.format(0.5) != form


def test_the_table_is_there_without_torch() -> None:
    """A comparison of runs reads only names from it, and torch takes a second to import."""
    code = "import sys, charrnn.evaluation.metrics; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
