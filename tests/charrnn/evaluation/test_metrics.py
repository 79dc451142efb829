"""Each metric against a plain reference, and the table they are in."""

import math
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from charrnn.evaluation.losses import Predictions
from charrnn.evaluation.metrics import METRICS, all_metrics, bits_per_char, perplexity, window_sums

Read = Sequence[tuple[list[float], int]]
"""The logits before each character, and its id."""


def reference_loss(read: Read) -> float:
    return math.fsum(math.log(math.fsum(map(math.exp, logits))) - logits[target] for logits, target in read) / len(read)


def reference_accuracy(read: Read) -> float:
    return sum(logits.index(max(logits)) == target for logits, target in read) / len(read)


REFERENCES: dict[str, Callable[[Read], float]] = {
    "loss": reference_loss,
    "bits_per_char": lambda read: math.log2(math.exp(reference_loss(read))),
    "perplexity": lambda read: math.exp(reference_loss(read)),
    "accuracy": reference_accuracy,
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
    logits = torch.tensor([logits for logits, _ in read])[:, None]
    targets = torch.tensor([target for _, target in read])[:, None]
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
    return Predictions(losses, logits, targets)


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


def test_every_format_takes_a_number() -> None:
    for metric in METRICS.values():
        for form in (metric.title_format, metric.summary, metric.log):
            assert form is None or form.format(0.5) != form


def test_the_table_is_there_without_torch() -> None:
    """A comparison of runs reads only names from it, and torch takes a second to import."""
    code = "import sys, charrnn.evaluation.metrics; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
