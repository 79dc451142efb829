import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN
from charrnn.report.held_out import Symbols, of_split, of_text
from charrnn.report.memory import REACH, context_losses, gradients
from tests.charrnn.report.subjects import subject_of
from tests.texts import made_up_play

TEXT = made_up_play(3000)


def loss_with(network: CharRNN, ids: Symbols, place: int, length: int) -> float:
    """Return the loss (bits) at `place` after so many characters, computed one by one."""
    with torch.inference_mode():
        state = network.initial_state(1)
        logits, _ = network(torch.from_numpy(ids[place - length : place])[:, None], state)
        return float(F.cross_entropy(logits[-1], torch.from_numpy(ids[place : place + 1]))) / math.log(2)


def test_the_loss_is_that_of_a_model_which_is_given_so_many_characters_alone() -> None:
    subject = subject_of(TEXT)
    assert subject.splits
    network = subject.checkpoint.model()
    held_out = of_split(subject.splits, subject.checkpoint.vocabulary, "val", 1200)
    found = context_losses(network, held_out, 10**9)
    assert [row.length for row in found.rows] == [1, 2, 5, 10, 20, 50, 100, 200]
    for row in found.rows[:4]:  # of up to 10, no more than the length itself is read
        losses = [loss_with(network, held_out.ids, place, row.length) for place in found.targets.tolist()]
        assert row.bits == pytest.approx(np.mean(losses), abs=1e-4)
    assert found.rows[-1].excess == found.rows[-1].excess_error == 0
    assert found.needed in {row.length for row in found.rows}


def test_where_the_time_is_short_the_longest_contexts_are_left_out() -> None:
    subject = subject_of(TEXT)
    assert subject.splits
    network, vocabulary = subject.checkpoint.model(), subject.checkpoint.vocabulary
    held_out = of_split(subject.splits, vocabulary, "val", 1200)
    assert [row.length for row in context_losses(network, held_out, 2000).rows][-1] < 200
    none = context_losses(network, held_out, 10)
    assert (none.rows, len(none.targets), none.needed) == ([], 0, None)


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
    found = gradients(network, held_out, np.arange(1, 300, 60), 60)
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
    found = gradients(checkpoint.model(), held_out, np.arange(len(held_out)), 60)
    # The stop symbol at the beginning of a document is read, and that at its end is predicted.
    expected = [place for document in documents for place in range(1, len(document) + 2)]
    assert (found.norms > 0).sum(axis=1).tolist() == found.reaches.tolist() == expected
