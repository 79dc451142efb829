"""What the page is given; that it shows it is tested in a browser."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from charrnn.report.contents import Contents, measure
from charrnn.report.subject import History
from charrnn.report.values import page_values
from tests.charrnn.report.subjects import subject_of
from tests.texts import made_up_play


@pytest.fixture(scope="module")
def contents() -> Contents:
    return measure(subject_of(made_up_play(6000)), 60)


def test_values_are_json_that_any_browser_reads(contents: Contents) -> None:
    json.dumps(page_values(contents), allow_nan=False)


def test_a_long_curve_is_thinned_to_means(contents: Contents) -> None:
    history = History("0123", "a run", train=[(step, float(step % 2)) for step in range(1, 1001)], val=[(9, 1.5)])
    found = page_values(replace(contents, subject=replace(contents.subject, history=history)))["history"]
    assert len(found["train"]) == 334
    assert found["train"][:2] == [[3, 0.667], [6, 0.333]]
    assert found["train"][-1] == [1000, 0]
    assert found["val"] == [[9, 1.5]]


def test_the_ngram_is_compared_on_the_characters_whose_loss_is_by_context(contents: Contents) -> None:
    memory = page_values(contents)["memory"]
    assert contents.baseline
    assert memory["ngram"] == pytest.approx(contents.baseline.bits[contents.context.targets].mean(), abs=5e-4)
    assert memory["characters"] == len(contents.context.targets)
    assert memory["blocks"] == contents.context.blocks
    assert memory["needed"] == contents.context.needed


def test_shares_of_a_gradient_are_logarithmic_and_end_at_the_lowest(contents: Contents) -> None:
    memory = page_values(contents)["memory"]
    shares = np.frombuffer(base64.b64decode(memory["shares"]), dtype=np.uint8).reshape(-1, memory["reach"])
    norms = contents.gradients.norms[30]
    expected = 1 + np.log10(np.maximum(norms / norms.max(), 1e-30)) / memory["decades"]
    assert shares[30] / 255 == pytest.approx(np.clip(expected, 0, 1), abs=0.003)


def test_what_was_left_out_for_want_of_time_is_told(contents: Contents) -> None:
    gradients = replace(contents.gradients, wanted=500)
    assert contents.baseline
    baseline = replace(contents.baseline, counted=1000)
    found = page_values(replace(contents, gradients=gradients, baseline=baseline))
    assert (found["memory"]["wanted"], len(found["memory"]["targets"])) == (500, 160)
    assert (found["surprisal"]["counted"], found["surprisal"]["training"]) == (1000, 3420)
    assert (found["copying"]["longest"], found["copying"]["wanted"]) == (80, 80)
