import copy
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F

from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Ids
from charrnn.errors import DivergedError
from charrnn.evaluation import dynamic
from charrnn.evaluation.dynamic import dynamic_predictions
from charrnn.evaluation.losses import window_predictions
from charrnn.model.char_rnn import CharRNN
from tests.charrnn.evaluation.reading import CPU, IDS

Learnt = npt.NDArray[np.bool_]


def losses(model: CharRNN, ids: Ids, learnt: Learnt | None = None) -> list[float]:
    windows = dynamic_predictions(model, Streams(ids, 1, 20, CPU), learnt)
    return [loss for window in windows for loss in window.losses.tolist()]


def by_definition(model: CharRNN, ids: Ids, learnt: Learnt) -> list[float]:
    """The same, weight by weight, the roots computed anew after every segment."""
    learner = copy.deepcopy(model).eval().requires_grad_(True)
    weights, found, state = list(learner.parameters()), [], learner.initial_state(1)
    trained = [weight.detach().clone() for weight in weights]
    squares: list[list[torch.Tensor]] = []
    bounds = [*range(0, len(ids) - 1, 20), len(ids) - 1]
    for start, end in pairwise(bounds):
        text = torch.from_numpy(ids[start : end + 1].astype(np.int64))
        logits, state = learner(text[:-1, None], tuple(part.detach() for part in state))
        loss = F.cross_entropy(logits[:, 0], text[1:], reduction="none")
        found += loss.tolist()
        counts = torch.from_numpy(learnt[start + 1 : end + 1])
        if not counts.any():
            continue
        gradients = torch.autograd.grad(loss[counts].mean(), weights)
        squares.append([gradient**2 for gradient in gradients])
        roots = [torch.stack(of_one).mean(0).sqrt() for of_one in zip(*squares, strict=True)]
        floor = dynamic.FLOOR * torch.cat([root.flatten() for root in roots]).mean()
        with torch.no_grad():
            for weight, before, gradient, root in zip(weights, trained, gradients, roots, strict=True):
                moved = weight - dynamic.RATE * gradient / (root + floor)
                weight.copy_(moved + dynamic.DECAY * (before - moved))
    return found


def test_the_losses_are_those_of_the_definition(model: CharRNN, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic, "REFRESH", 1)
    every = np.ones(len(IDS), dtype=bool)
    assert losses(model, IDS) == pytest.approx(by_definition(model, IDS, every), abs=1e-4)
    some = np.arange(len(IDS)) % 3 > 0
    some[:100] = some[140:160] = False  # segments from which nothing is learnt
    assert losses(model, IDS, some) == pytest.approx(by_definition(model, IDS, some), abs=1e-4)


def test_the_first_segment_is_predicted_as_without_learning(model: CharRNN) -> None:
    (static, *_) = window_predictions(model, Streams(IDS, 1, 20, CPU))
    assert losses(model, IDS)[:20] == pytest.approx(static.losses.tolist(), abs=1e-6)


def test_a_later_character_changes_no_earlier_loss(model: CharRNN) -> None:
    changed = IDS.copy()
    changed[150:] = (changed[150:] + 1) % 6
    before, after = losses(model, IDS), losses(model, changed)
    assert after[:149] == before[:149]
    assert after[149] != before[149]


def test_a_text_that_repeats_itself_is_learnt_and_the_model_stays_as_it_was(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamic, "RATE", 0.01)
    weights = copy.deepcopy(model.state_dict())
    random, mode = torch.get_rng_state(), model.training
    found = losses(model, np.tile(IDS[:30], 40))
    assert np.mean(found[-200:]) < np.mean(found[:200]) - 0.3
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert model.training == mode


def test_a_loss_that_is_not_finite_ends_it(model: CharRNN, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic, "RATE", 1e38)
    with pytest.raises(DivergedError, match=r"^dynamic evaluation: the loss is not finite$"):
        losses(model, IDS)
