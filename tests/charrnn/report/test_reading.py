import math

import numpy as np
import pytest
import torch

from charrnn.errors import DivergedError
from charrnn.evaluation.held_out import of_split, of_text
from charrnn.evaluation.surprisal import score_text
from charrnn.model.cells import CELLS
from charrnn.report.reading import read
from tests.charrnn.report.subjects import subject_of
from tests.texts import made_up_play

TEXT = made_up_play(1500) + "\U0001f600"
SHAPES = [["model.cell=" + cell] for cell in CELLS] + [
    ["model.num_layers=3", "model.layer_norm=true"],
    ["model.embedding_size=null"],
    ["model.embedding_size=6", "model.tie_weights=true"],
]


def test_the_pace_is_what_was_read_in_the_time_that_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of(TEXT)
    assert subject.splits
    held_out = of_split(subject.splits, subject.checkpoint.vocabulary, "val", 500)
    clock = iter([10.0, 12.0])
    monkeypatch.setattr("charrnn.report.reading.time.monotonic", lambda: next(clock))
    assert read(subject.checkpoint.model(), held_out).pace == 500 / 2.0


@pytest.mark.parametrize("shape", SHAPES, ids=" ".join)
def test_each_character_costs_what_score_says(shape: list[str]) -> None:
    checkpoint = subject_of(TEXT, *shape).checkpoint
    held_out = of_text(TEXT + "☃", "it", checkpoint.params.data, checkpoint.vocabulary, 10_000)
    found = read(checkpoint.model(), held_out)
    expected = score_text(checkpoint.model(), checkpoint.vocabulary, checkpoint.params.data, TEXT + "☃")
    # Pieces are read with a context of their own: that of the model is shorter.
    assert found.bits == pytest.approx(expected.bits, abs=1e-3, nan_ok=True)
    assert np.isnan(found.bits[[0, -1]]).all()


def test_documents_are_read_from_the_zero_state_on() -> None:
    documents = [f"name {number} of many" for number in range(300)]
    checkpoint = subject_of(documents).checkpoint
    held_out = of_text(documents, "it", checkpoint.params.data, checkpoint.vocabulary, 10_000)
    expected = score_text(checkpoint.model(), checkpoint.vocabulary, checkpoint.params.data, documents)
    found = read(checkpoint.model(), held_out)
    # The text of a score has no stop symbol before the first document.
    assert found.bits[1:] == pytest.approx(expected.bits, abs=1e-4)


def test_the_likeliest_are_those_of_the_model() -> None:
    subject = subject_of(TEXT)
    assert subject.splits
    vocabulary, network = subject.checkpoint.vocabulary, subject.checkpoint.model()
    held_out = of_split(subject.splits, vocabulary, "val", 200)
    found = read(network, held_out)
    with torch.inference_mode():
        logits, _ = network(torch.from_numpy(held_out.ids)[:, None], network.initial_state(1))
    probabilities = logits[:, 0].softmax(-1).numpy()
    order = np.argsort(-probabilities[:-1], axis=1)[:, :5]
    assert found.likeliest[1:].tolist() == order.tolist()
    assert found.probabilities[1:] == pytest.approx(np.take_along_axis(probabilities[:-1], order, 1), abs=1e-5)
    at = np.arange(1, len(held_out))
    assert 2.0 ** -found.bits[1:] == pytest.approx(probabilities[at - 1, held_out.ids[1:]], abs=1e-5)


def test_what_units_hold_is_the_memory_of_each_layer() -> None:
    subject = subject_of(TEXT, "model.num_layers=2")
    assert subject.splits
    network = subject.checkpoint.model()
    held_out = of_split(subject.splits, subject.checkpoint.vocabulary, "val", 100)
    found = read(network, held_out)
    with torch.inference_mode():
        _, (_, memory) = network(torch.from_numpy(held_out.ids)[:, None], network.initial_state(1))
    assert found.activations[-1] == pytest.approx(memory[:, 0].tanh().flatten().numpy(), abs=1e-3)


def test_a_model_that_diverged_is_named() -> None:
    subject = subject_of(TEXT)
    assert subject.splits
    network = subject.checkpoint.model()
    network.decoder.bias.data.fill_(math.nan)
    with pytest.raises(DivergedError, match="its training diverged"):
        read(network, of_split(subject.splits, subject.checkpoint.vocabulary, "val", 500))
