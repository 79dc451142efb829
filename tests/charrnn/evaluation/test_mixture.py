import numpy as np
import pytest

from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Ids
from charrnn.evaluation import mixture
from charrnn.evaluation.adaptive_ngram import LONG_USED, RECENT_USED
from charrnn.evaluation.mixture import Losses, Mixer, adapted_losses
from charrnn.evaluation.word_contexts import WHOLE_WORDS, in_words
from charrnn.model.char_rnn import CharRNN
from tests.charrnn.evaluation.reading import CPU, IDS, VOCABULARY

PARTS = 1 + len(LONG_USED) + len(RECENT_USED) + len(WHOLE_WORDS)
SIZE = VOCABULARY.size


def random_logs(seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(PARTS, SIZE)).astype(np.float32)
    return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)), dtype=np.float32)


def losses(model: CharRNN, ids: Ids) -> tuple[Losses, Losses]:
    found = list(adapted_losses(model, IDS[:100], Streams(ids, 1, 20, CPU), in_words(VOCABULARY)))
    return np.concatenate([own for own, _ in found]), np.concatenate([mixed for _, mixed in found])


def test_the_mixture_sums_to_one_and_is_the_weighted_geometric_mean() -> None:
    logs = random_logs(1)
    predicted = Mixer(SIZE).predict(logs, (3, 2, 1))
    weights = [0.6, *[0.05] * len(LONG_USED), *[0.02] * len(RECENT_USED), *[0.08] * len(WHOLE_WORDS)]
    expected = np.prod(np.exp(logs) ** np.array(weights)[:, None], axis=0)
    assert np.exp(predicted) == pytest.approx(expected / expected.sum(), rel=1e-5)


def test_the_weights_follow_the_gradient_of_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finite difference: a step along the gradient lowers the loss by its squared length, once for each set."""
    logs, mixer = random_logs(2), Mixer(SIZE)
    monkeypatch.setattr(mixture, "RATE", 1e-3)
    before = mixer.predict(logs, (3, 2, 1))
    mixer.learn(logs, (3, 2, 1), before, 4)
    gradient = logs[:, 4] - logs @ np.exp(before)
    fallen = mixer.predict(logs, (3, 2, 1))[4] - before[4]
    assert fallen == pytest.approx(3e-3 * float(gradient @ gradient), rel=0.02)


def test_weights_of_other_contexts_stay_as_they_were() -> None:
    logs, mixer = random_logs(3), Mixer(SIZE)
    before = mixer.predict(logs, (3, 2, 1))
    mixer.learn(logs, (5, 1, 0), mixer.predict(logs, (5, 1, 0)), 4)
    assert (mixer.predict(logs, (3, 2, 1)) == before).all()


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


def test_weights_are_chosen_by_the_character_before_and_the_letters_before(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[tuple[int, int]] = []
    predict = Mixer.predict

    def recorded(mixer: Mixer, logs: np.ndarray, context: tuple[int, int, int]) -> np.ndarray:
        chosen.append(context[1:])
        return predict(mixer, logs, context)

    monkeypatch.setattr(Mixer, "predict", recorded)
    losses(model, VOCABULARY.encode("a ab ab a"))
    blank, a, b = VOCABULARY.encode(" ab").tolist()
    word = [(blank, 0), (a, 1), (b, 2)]
    assert chosen == [(0, 0), *word, *word, (blank, 0)]  # the first character is only read
