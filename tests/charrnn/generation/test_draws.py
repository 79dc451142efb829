import math

import numpy as np
import numpy.typing as npt
import pytest
import torch

from charrnn.config.sampling_options import SamplingOptions
from charrnn.errors import DivergedError
from charrnn.generation.draws import AT_ONCE, Draws, log_probabilities

LOGITS = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)


def drawn(draws: Draws, texts: int, count: int) -> npt.NDArray[np.int64]:
    """(count, texts) ids."""
    return np.array([draws.draw(LOGITS[:1].repeat(texts, axis=0)) for _ in range(count)])


def joined(draws: Draws, *seeds: int, **options: object) -> Draws:
    made = SamplingOptions.model_validate({"temperature": 1.0, **options})
    draws.append([made] * len(seeds), [np.random.default_rng(seed) for seed in seeds])
    return draws


def test_who_joins_and_leaves_changes_nothing_for_the_others() -> None:
    alone = drawn(joined(Draws(None), 7), 1, 2 * AT_ONCE)[:, 0]
    draws = joined(Draws(None), 1, 2)
    drawn(draws, 2, 100)
    joined(draws, 7)
    beside = drawn(draws, 3, AT_ONCE)[:, 2].tolist()
    draws.keep(np.array([2]))
    beside += drawn(draws, 1, AT_ONCE)[:, 0].tolist()
    assert beside == alone.tolist()


def test_the_forbidden_id_is_never_drawn() -> None:
    likeliest = int(LOGITS[0].argmax())
    assert likeliest not in drawn(joined(Draws(likeliest), 1), 1, 500)
    assert likeliest in drawn(joined(Draws(None), 1), 1, 500)


def test_temperature_0_takes_the_likeliest() -> None:
    assert set(drawn(joined(Draws(None), 1, temperature=0), 1, 20)[:, 0]) == {LOGITS[0].argmax()}


def test_log_probabilities_are_those_of_the_softmax() -> None:
    expected = torch.log_softmax(torch.from_numpy(LOGITS).double(), dim=1).numpy()
    np.testing.assert_allclose(log_probabilities(LOGITS), expected, rtol=1e-12)
    assert np.isfinite(log_probabilities(np.array([[3e38, -3e38]], dtype=np.float32))).all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_not_finite_are_told(value: float) -> None:
    logits = LOGITS[:1].copy()
    logits[0, 2] = value
    with pytest.raises(DivergedError):
        joined(Draws(None), 1).draw(logits)
    with pytest.raises(DivergedError):
        log_probabilities(logits)
