import math

import pytest

from charrnn.config.schema import TrainingParams
from charrnn.errors import DivergedError
from charrnn.training.divergence import check_evaluation, find_divergence
from charrnn.training.state import Progress

TRAINING = TrainingParams(spike_threshold=3.0, grad_clip=0.5)


def look(losses: list[float], norms: list[float], training: TrainingParams = TRAINING) -> tuple[int, str, Progress]:
    at = Progress(step=len(losses))
    good, error = find_divergence(losses, norms, [0.25] * len(losses), 7, at, training)
    assert error is None or error.step == 7 + good
    return good, str(error or ""), at


def test_finite_losses_that_do_not_jump_are_good_and_averaged() -> None:
    good, message, at = look([2.0, 4.9, 1.0], [1.0, 50.0, 0.1])
    assert (good, message) == (3, "")
    assert at.smooth_loss == pytest.approx(0.98 * (0.98 * 2.0 + 0.02 * 4.9) + 0.02 * 1.0)


@pytest.mark.parametrize(
    ("losses", "norms", "words"),
    [
        ([2.0, math.nan, 1.0], [1.0, 1.0, 1.0], "loss nan, gradient norm 1 after an average loss of 2"),
        ([2.0, math.inf, 1.0], [1.0, 1.0, 1.0], "loss inf, gradient norm 1 after an average loss of 2"),
        ([2.0, 1.0, 1.0], [1.0, math.inf, 1.0], "loss 1, gradient norm inf after an average loss of 2"),
        ([2.0, 5.1, 1.0], [1.0, 1.0, 1.0], "loss 5.1, gradient norm 1 after an average loss of 2"),
    ],
)
def test_the_first_step_that_diverged_is_told_and_the_average_is_of_those_before(
    losses: list[float], norms: list[float], words: str
) -> None:
    good, message, at = look(losses, norms)
    assert good == 1
    assert message == (
        f"training diverged at step 8: {words}; lower training.learning_rate (now 0.25) or training.grad_clip (now 0.5)"
    )
    assert at.smooth_loss == 2.0


def test_without_a_threshold_no_finite_loss_is_a_jump() -> None:
    assert look([1.0, 1e30], [1.0, 1.0], TrainingParams(spike_threshold=None))[0] == 2


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_an_evaluation_that_is_not_finite_makes_the_next_step_the_one_that_diverged(loss: float) -> None:
    with pytest.raises(DivergedError, match=f"training diverged at step 5: validation loss {loss}") as caught:
        check_evaluation(loss, 5)
    assert caught.value.step == 6
    assert check_evaluation(1.25, 5) == 1.25
