import itertools

import numpy as np
import pytest

from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Ids
from charrnn.evaluation import mixture
from charrnn.evaluation.adaptive_ngram import LONG_USED, RECENT_USED
from charrnn.evaluation.mixture import GLANCE_SHARE, Losses, Mixer, adapted_losses, evaluate_adapted
from charrnn.model.char_rnn import CharRNN
from tests.charrnn.evaluation.reading import CPU, IDS, VOCABULARY

PARTS = 1 + len(LONG_USED) + len(RECENT_USED)
SIZE = VOCABULARY.size


def random_logs(seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(PARTS, SIZE)).astype(np.float32)
    return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)), dtype=np.float32)


def losses(model: CharRNN, ids: Ids) -> tuple[Losses, Losses]:
    found = list(adapted_losses(model, IDS[:100], Streams(ids, 1, 20, CPU), SIZE))
    return np.concatenate([own for own, _ in found]), np.concatenate([mixed for _, mixed in found])


def test_the_mixture_sums_to_one_and_is_the_weighted_geometric_mean() -> None:
    logs = random_logs(1)
    predicted = Mixer(SIZE).predict(logs, 3, 2)
    weights = [0.6, *[0.4 / len(LONG_USED)] * len(LONG_USED), *[0.02] * len(RECENT_USED)]
    expected = np.prod(np.exp(logs) ** np.array(weights)[:, None], axis=0)
    assert np.exp(predicted) == pytest.approx(expected / expected.sum(), rel=1e-5)


def test_the_weights_follow_the_gradient_of_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finite difference: a step along the gradient lowers the loss by its squared length, twice for two sets."""
    logs, mixer = random_logs(2), Mixer(SIZE)
    monkeypatch.setattr(mixture, "RATE", 1e-3)
    before = mixer.predict(logs, 3, 2)
    mixer.learn(logs, 3, 2, before, 4)
    gradient = logs[:, 4] - logs @ np.exp(before)
    fallen = mixer.predict(logs, 3, 2)[4] - before[4]
    assert fallen == pytest.approx(2e-3 * float(gradient @ gradient), rel=0.02)


def test_weights_of_other_contexts_stay_as_they_were() -> None:
    logs, mixer = random_logs(3), Mixer(SIZE)
    before = mixer.predict(logs, 3, 2)
    mixer.learn(logs, 5, 1, mixer.predict(logs, 5, 1), 4)
    assert (mixer.predict(logs, 3, 2) == before).all()


def test_a_later_character_changes_no_earlier_loss(model: CharRNN) -> None:
    changed = IDS.copy()
    changed[150:] = (changed[150:] + 1) % 6
    (own, mixed), (own_after, mixed_after) = losses(model, IDS), losses(model, changed)
    assert (own_after[:149] == own[:149]).all()
    assert (mixed_after[:149] == mixed[:149]).all()
    assert mixed_after[149] != mixed[149]


def test_each_character_is_predicted_before_it_is_learnt(model: CharRNN) -> None:
    """The probabilities of all that could come at a place sum to 1; they would not if the losses knew what comes."""
    sums = np.zeros((2, 3))
    for number, length in enumerate((2, 22, 120)):
        for character in range(SIZE):
            ids = np.append(IDS[: length - 1], np.uint8(character))
            sums[:, number] += [np.exp(-found[-1]) for found in losses(model, ids)]
    assert sums == pytest.approx(np.ones((2, 3)), abs=1e-5)


def test_every_character_but_the_first_has_a_finite_loss(model: CharRNN) -> None:
    for found in losses(model, IDS):
        assert len(found) == len(IDS) - 1
        assert np.isfinite(found).all()


def test_a_text_that_repeats_itself_is_predicted_better_with_the_ngram_model(model: CharRNN) -> None:
    own, mixed = losses(model, np.tile(IDS[:50], 40))
    assert mixed[-500:].mean() < own[-500:].mean() / 2


def test_the_means_are_those_of_the_losses(model: CharRNN) -> None:
    own, mixed = losses(model, IDS)
    found = evaluate_adapted(model, IDS[:100], Streams(IDS, 1, 20, CPU), SIZE, seconds=1e6)
    assert found is not None
    assert found.metrics == {"dynamic_loss": pytest.approx(own.mean()), "adaptive_loss": pytest.approx(mixed.mean())}


@pytest.mark.parametrize("seconds", [0.0, 1e-4])
def test_a_text_that_takes_longer_than_allowed_has_no_losses(
    model: CharRNN, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixture, "FASTEST", 1e9)
    assert evaluate_adapted(model, IDS[:100], Streams(IDS, 1, 20, CPU), SIZE, seconds) is None


def test_a_model_that_is_too_slow_alone_is_found_out_by_its_first_segments(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixture, "Mixture", None)  # which would count the training text
    looked = itertools.count(step=10.0)  # at each look, ten seconds have passed
    ids = np.tile(IDS, 10)
    assert evaluate_adapted(model, IDS[:100], Streams(ids, 1, 20, CPU), SIZE, 1e3, lambda: next(looked)) is None
    assert next(looked) <= 10.0 * (2 + GLANCE_SHARE * len(ids) / 20 + 1)


def test_reading_ends_as_soon_as_the_time_is_over_however_slow_a_segment_is(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixture, "GLANCE_SHARE", 0.0)  # one segment
    looked = iter([0.0, 0.0, *np.arange(10.0, 1000.0, 10.0).tolist()])
    ids = np.tile(IDS, 10)
    assert evaluate_adapted(model, IDS[:100], Streams(ids, 1, 20, CPU), SIZE, 25.0, lambda: next(looked)) is None
    assert next(looked) == 40.0  # three segments
