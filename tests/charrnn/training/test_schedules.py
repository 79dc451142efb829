import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.schema import NEED_VALIDATION, TrainingParams
from charrnn.training.schedules import SCHEDULES, learning_rate

FRACTION = st.floats(0, 1, exclude_max=True)


def rate(step: int = 0, progress: float = 0.0, epoch: float = 0.0, decays: int = 0, **params: object) -> float:
    training = TrainingParams.model_validate({"learning_rate": 0.01, "warmup_steps": 0, **params})
    return learning_rate(training, step=step, progress=progress, epoch=epoch, decays=decays)


def test_a_schedule_that_decays_when_the_loss_stands_still_needs_a_validation_split() -> None:
    assert {name for name, schedule in SCHEDULES.items() if schedule.decays_when_stale} == NEED_VALIDATION


@pytest.mark.parametrize(("step", "progress", "epoch", "decays"), [(0, 0, 0, 0), (10**6, 1, 99.5, 7)])
def test_constant_stays(step: int, progress: float, epoch: float, decays: int) -> None:
    assert rate(step, progress, epoch, decays, schedule="constant") == 0.01


@pytest.mark.parametrize(
    ("progress", "final_fraction", "expected"),
    [
        (0.0, 0.0, 0.01),
        (0.25, 0.0, 0.01 * (1 + math.sqrt(0.5)) / 2),
        (0.5, 0.0, 0.005),
        (1.0, 0.0, 0.0),
        (0.0, 0.1, 0.01),
        (0.5, 0.1, 0.0055),
        (1.0, 0.1, 0.001),
        (1.5, 0.1, 0.001),
    ],
)
def test_cosine_falls_from_the_rate_to_its_final_fraction(
    progress: float, final_fraction: float, expected: float
) -> None:
    found = rate(progress=progress, schedule="cosine", final_fraction=final_fraction)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-18)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(0.0, 0.01), (1.99, 0.01), (2.0, 0.003), (3.5, 0.003), (4.0, 0.0009), (9.0, 0.01 * 0.3**4)],
)
def test_step_decays_every_so_many_epochs(epoch: float, expected: float) -> None:
    found = rate(epoch=epoch, schedule="step", decay_epochs=2.0, decay_factor=0.3)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("decays", "expected"), [(0, 0.01), (1, 0.002), (3, 0.00008)])
def test_plateau_decays_as_often_as_was_decided(decays: int, expected: float) -> None:
    found = rate(epoch=50.0, decays=decays, schedule="plateau", decay_factor=0.2)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
@pytest.mark.parametrize(("step", "share"), [(0, 0.25), (1, 0.5), (2, 0.75), (3, 1.0), (4, 1.0), (1000, 1.0)])
def test_warm_up_reaches_the_schedule_in_equal_steps(schedule: str, step: int, share: float) -> None:
    found = rate(step, progress=0.3, epoch=1.5, decays=2, schedule=schedule, warmup_steps=4)
    full = rate(step, progress=0.3, epoch=1.5, decays=2, schedule=schedule)
    assert found == pytest.approx(share * full, rel=1e-12)


@given(
    schedule=st.sampled_from(sorted(SCHEDULES)),
    peak=st.floats(1e-8, 1e3),
    final_fraction=FRACTION,
    decay_factor=st.floats(0, 1, exclude_min=True, exclude_max=True),
    decay_epochs=st.floats(1e-3, 1e3),
    warmup_steps=st.integers(0, 1000),
    step=st.integers(0, 10**9),
    progress=st.floats(0, 2),
    epoch=st.floats(0, 1e6),
    decays=st.integers(0, 1000),
)
def test_a_rate_is_never_negative_nor_above_its_peak(
    schedule: str,
    peak: float,
    final_fraction: float,
    decay_factor: float,
    decay_epochs: float,
    warmup_steps: int,
    step: int,
    progress: float,
    epoch: float,
    decays: int,
) -> None:
    params = {"schedule": schedule, "learning_rate": peak, "final_fraction": final_fraction}
    params |= {"decay_factor": decay_factor, "decay_epochs": decay_epochs, "warmup_steps": warmup_steps}
    assert 0 <= rate(step, progress, epoch, decays, **params) <= peak


@given(progresses=st.lists(st.floats(0, 1.5), min_size=2, max_size=20), final_fraction=FRACTION)
def test_cosine_never_rises_and_never_falls_below_its_end(progresses: list[float], final_fraction: float) -> None:
    rates = [
        rate(progress=progress, schedule="cosine", final_fraction=final_fraction) for progress in sorted(progresses)
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] >= 0.01 * final_fraction * (1 - 1e-12)
