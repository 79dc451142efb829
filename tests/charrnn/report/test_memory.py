import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from charrnn.evaluation.held_out import Symbols, of_split, of_text
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN
from charrnn.report.memory import (
    LENGTHS,
    REACH,
    ContextLoss,
    ContextLosses,
    context_losses,
    gradients,
    student,
)
from tests.charrnn.report.subjects import subject_of
from tests.texts import made_up_play

TEXT = made_up_play(3000)


def losses_with(network: CharRNN, ids: Symbols, places: Symbols, length: int) -> np.ndarray:
    """Return the loss (bits) at each of `places` after the `length` symbols before it, from the zero state."""
    with torch.inference_mode():
        read = torch.from_numpy(ids[places - length + np.arange(length)[:, None]])
        logits, _ = network(read, network.initial_state(len(places)))
        losses = F.cross_entropy(logits[-1], torch.from_numpy(ids[places]), reduction="none")
        return losses.double().numpy() / math.log(2)


def test_the_loss_is_that_of_a_model_which_is_given_so_many_characters_alone() -> None:
    subject = subject_of(TEXT)
    assert subject.splits
    network = subject.checkpoint.model()
    held_out = of_split(subject.splits, subject.checkpoint.vocabulary, "val", 1200)
    found = context_losses(network, held_out, 10**9)
    assert [row.length for row in found.rows] == [1, 2, 5, 10, 20, 50, 100, 200]
    for row in found.rows[:4]:  # of up to 10, no more than the length itself is read
        losses = losses_with(network, held_out.ids, found.targets, row.length)
        assert row.bits == pytest.approx(np.mean(losses), abs=1e-4)
    assert found.rows[-1].excess == found.rows[-1].excess_error == 0


def test_errors_are_those_of_the_means_of_blocks() -> None:
    subject = subject_of(TEXT)
    assert subject.splits
    network = subject.checkpoint.model()
    held_out = of_split(subject.splits, subject.checkpoint.vocabulary, "val", 60)
    found = context_losses(network, held_out, 10**9)
    assert [row.length for row in found.rows] == [1, 2, 5, 10]  # so short that no more is read than the length
    means = [
        losses_with(network, held_out.ids, found.targets, row.length).reshape(found.blocks, -1).mean(axis=1)
        for row in found.rows
    ]
    assert found.blocks == 25
    # 2.0639 is the 97.5 % quantile of Student's t for 24 degrees of freedom in printed tables.
    width = 2.0639 / math.sqrt(25)
    for row, mean in zip(found.rows, means, strict=True):
        assert row.error == pytest.approx(width * np.std(mean, ddof=1), rel=1e-3)
        assert row.excess == pytest.approx(np.mean(mean - means[-1]), abs=1e-5)
        assert row.excess_error == pytest.approx(width * np.std(mean - means[-1], ddof=1), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(("freedom", "expected"), [(15, 2.1314), (20, 2.0860), (60, 2.0003)])
def test_an_interval_of_few_blocks_has_the_width_of_students_t(freedom: int, expected: float) -> None:
    assert student(freedom) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("excesses", "needed"),
    [([0.5, 0.05, 0.3, 0.05, 0], 10), ([0.05, 0.05, 0], 1), ([0.5, 0.3, 0], 5), ([0.05, 0.3, 0], 5), ([], None)],
    ids=["not monotone", "none", "all", "shortest as good as the longest", "no rows"],
)
def test_what_is_needed_is_the_length_from_which_on_nothing_is_gained(
    excesses: list[float], needed: int | None
) -> None:
    rows = [ContextLoss(length, 2.0, 0.1, excess, 0.1) for length, excess in zip(LENGTHS, excesses, strict=False)]
    assert ContextLosses(rows, np.zeros(0, dtype=np.int64), 0).needed == needed


def test_blocks_with_unknown_characters_are_left_out() -> None:
    checkpoint = subject_of(TEXT).checkpoint
    text = TEXT[:700] + "☃" * 200 + TEXT[700:1400]
    held_out = of_text(text, "it", checkpoint.params.data, checkpoint.vocabulary, 10_000)
    found = context_losses(checkpoint.model(), held_out, 10**9)
    assert found.blocks >= 16
    assert not held_out.unknown[found.targets].any()
    losses = losses_with(checkpoint.model(), held_out.ids, found.targets, 1)
    assert found.rows[0].bits == pytest.approx(np.mean(losses), abs=1e-4)


def test_where_the_time_is_short_the_longest_contexts_are_left_out() -> None:
    subject = subject_of(TEXT)
    assert subject.splits
    network, vocabulary = subject.checkpoint.model(), subject.checkpoint.vocabulary
    held_out = of_split(subject.splits, vocabulary, "val", 1200)
    assert [row.length for row in context_losses(network, held_out, 2000).rows][-1] < 200
    none = context_losses(network, held_out, 10)
    assert (none.rows, len(none.targets), none.needed) == ([], 0, None)


def test_where_the_clock_runs_out_two_contexts_are_measured() -> None:
    subject = subject_of(TEXT)
    assert subject.splits
    held_out = of_split(subject.splits, subject.checkpoint.vocabulary, "val", 1200)
    found = context_losses(subject.checkpoint.model(), held_out, 10**9, until=0.0)
    assert [row.length for row in found.rows] == [1, 2]
    assert found.rows[-1].excess == 0


def test_contexts_are_no_longer_than_documents() -> None:
    checkpoint = subject_of([f"name {number}" for number in range(100)]).checkpoint
    documents = [f"name {number}" for number in range(100)]
    held_out = of_text(documents, "it", checkpoint.params.data, checkpoint.vocabulary, 10_000)
    found = context_losses(checkpoint.model(), held_out, 10**9)
    assert [row.length for row in found.rows] == [1, 2, 5]
    assert not held_out.stops[found.targets - 5 + np.arange(1, 5)[:, None]].any()


@pytest.mark.parametrize("shape", [*(f"model.cell={cell}" for cell in CELLS), "model.embedding_size=null"])
def test_a_gradient_is_how_the_loss_changes_with_what_is_read(shape: str) -> None:
    subject = subject_of(TEXT, shape, "model.num_layers=2", "model.layer_norm=true")
    assert subject.splits
    network = subject.checkpoint.model()
    held_out = of_split(subject.splits, subject.checkpoint.vocabulary, "val", 400)
    found = gradients(network, held_out, np.arange(1, 300, 60), math.inf)
    assert found.targets.tolist() == [1, 61, 121, 181, 241]
    assert found.reaches.tolist() == [1, 61, 121, REACH, REACH]
    assert not found.norms[1, 61:].any()
    vectors = network.vectors(torch.from_numpy(held_out.ids[:61])[:, None])
    target = torch.from_numpy(held_out.ids[61:62])

    def loss(x: torch.Tensor) -> torch.Tensor:
        outputs, _ = network.outputs(x, network.initial_state(1))
        return F.cross_entropy(network.decoder(outputs[-1]), target)

    leaf = vectors.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf), leaf)
    assert found.norms[1, :61] == pytest.approx(gradient[:, 0].norm(dim=-1).flip(0).numpy(), rel=1e-3)
    with torch.no_grad():
        step = gradient[60] / gradient[60].norm() * 1e-2
        moved = torch.cat([vectors[:60], vectors[60:] + step])
        assert float(loss(moved) - loss(vectors)) == pytest.approx(1e-2 * found.norms[1, 0], rel=0.05)


def test_a_gradient_does_not_leave_its_document() -> None:
    documents = ["abc", "cabab", "b", "cc", "aa", "ba"]
    checkpoint = subject_of([*documents, "bb", "bc"]).checkpoint
    held_out = of_text(documents, "it", checkpoint.params.data, checkpoint.vocabulary, 1000)
    found = gradients(checkpoint.model(), held_out, np.arange(len(held_out)), math.inf)
    # The stop symbol at the beginning of a document is read, and that at its end is predicted.
    expected = [place for document in documents for place in range(1, len(document) + 2)]
    assert (found.norms > 0).sum(axis=1).tolist() == found.reaches.tolist() == expected


def test_where_the_time_is_short_gradients_of_all_reaches_are_as_likely_to_be_taken() -> None:
    documents = [f"{'ab' * (number % 40)}{number}" for number in range(200)]
    checkpoint = subject_of(documents).checkpoint
    held_out = of_text(documents, "it", checkpoint.params.data, checkpoint.vocabulary, 10_000)
    targets = np.arange(1, len(held_out))
    whole = gradients(checkpoint.model(), held_out, targets, math.inf)
    assert len(whole.targets) == whole.wanted
    ticks = iter(range(10**6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("charrnn.report.memory.time.monotonic", lambda: float(next(ticks)))
        some = gradients(checkpoint.model(), held_out, targets, 40.0)
    assert 400 < len(some.targets) < some.wanted / 2 == whole.wanted / 2
    assert some.reaches.max() > 60
    assert np.mean(some.reaches) == pytest.approx(np.mean(whole.reaches), rel=0.25)
