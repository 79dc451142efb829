"""When a curve passes a loss, and what of it is compared with the transformer."""

import pytest

from benchmarks.time_to_loss import against_transformer, passed

CURVE = [(0.5, 2.3), (1.0, 1.9), (1.5, 1.88), (2.0, 1.89), (2.5, 1.8)]
SLOW = [(0.5, 2.3), (3.5, 1.8)]


def test_a_loss_is_passed_at_the_first_evaluation_that_is_not_above_it() -> None:
    assert passed(CURVE, 1.8857) == 1.5
    assert passed(CURVE, 1.9) == 1.0
    assert passed(CURVE, 1.7) is None


@pytest.mark.parametrize(("theirs", "reached"), [(87.5, True), (87.0, False)])
def test_the_mean_of_the_times_is_compared_with_the_transformers(theirs: float, reached: bool) -> None:
    figure = against_transformer([CURVE, SLOW], [1.8, 1.81], theirs, 1.89)
    assert f"1/{theirs / 2.5:.1f} (2.50 s: 1.50, 3.50;" in figure.figure
    assert figure.reached is reached


def test_a_run_that_never_passes_the_loss_misses_the_row() -> None:
    figure = against_transformer([CURVE, CURVE[:2]], [1.8, 1.9], 85.0, 1.89)
    assert figure.figure.startswith("1 of 2 runs reach it")
    assert figure.reached is False


def test_a_loss_that_only_a_part_of_the_split_shows_misses_the_row() -> None:
    assert against_transformer([CURVE, CURVE], [1.8, 1.89], 85.0, 1.89).reached is False
