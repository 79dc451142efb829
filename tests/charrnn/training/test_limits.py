from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.loading import validate_params
from charrnn.config.schema import Params
from charrnn.training.limits import Due, is_finished, is_limited_by_time, run_progress, total_steps, what_is_due
from charrnn.training.state import Progress

NUM_WINDOWS = 8


def params_for(**sections: Mapping[str, object]) -> Params:
    training = {"max_minutes": None, "max_steps": 100, "log_every": 10, **sections.get("training", {})}
    evaluation = {"every_steps": None, "every_seconds": None, **sections.get("evaluation", {})}
    checkpoint = {"every_steps": None, "every_seconds": None, **sections.get("checkpoint", {})}
    return validate_params({"training": training, "evaluation": evaluation, "checkpoint": checkpoint})


def at(step: int, **values: float) -> Progress:
    return Progress(step=step, **values)  # type: ignore[arg-type]  # times are floats, counts whole ones


NOTHING = Due(report=False, evaluation=False, checkpoint=False, keep=False, end=False)


def test_before_the_first_step_nothing_is_due_but_training() -> None:
    params = params_for(evaluation={"every_steps": 1}, checkpoint={"every_steps": 1})
    assert what_is_due(params, at(0), NUM_WINDOWS, None) == NOTHING


@pytest.mark.parametrize(
    ("step", "silence", "report"),
    [(9, 0.0, False), (10, 0.0, True), (9, 0.99, False), (9, 1.0, True), (10, None, False)],
)
def test_a_report_is_due_every_log_every_steps_or_when_it_was_silent_for_a_second(
    step: int, silence: float | None, report: bool
) -> None:
    assert what_is_due(params_for(), at(step), NUM_WINDOWS, silence).report is report


@pytest.mark.parametrize("section", ["evaluation", "checkpoint"])
@pytest.mark.parametrize(("rule", "step", "elapsed"), [({"every_steps": 7}, 14, 0.0), ({"every_seconds": 5}, 13, 5.0)])
def test_what_is_due_by_steps_or_time_is_due_once_and_is_reported_first(
    section: str, rule: dict[str, object], step: int, elapsed: float
) -> None:
    params = params_for(**{section: rule})
    due = what_is_due(params, at(step, elapsed=elapsed), NUM_WINDOWS, 0.0)
    assert (due.report, getattr(due, section), due.end) == (True, True, False)
    done = {"evaluation": "evaluated", "checkpoint": "checkpointed"}[section]
    after = at(step, elapsed=elapsed, **{f"{done}_step": step, f"{done}_at": elapsed})
    assert what_is_due(params, after, NUM_WINDOWS, None) == NOTHING
    sooner = at(step - 1, elapsed=max(elapsed - 0.1, 0))
    assert what_is_due(params, sooner, NUM_WINDOWS, 0.0) == NOTHING


def test_evaluations_by_time_wait_until_they_are_affordable() -> None:
    params = params_for(evaluation={"every_seconds": 1, "max_share": 0.1})
    assert not what_is_due(params, at(5, elapsed=10.0, evaluation_seconds=1.1), NUM_WINDOWS, None).evaluation
    assert what_is_due(params, at(5, elapsed=11.0, evaluation_seconds=1.1), NUM_WINDOWS, None).evaluation


def test_checkpoints_that_are_kept_come_by_their_own_number() -> None:
    params = params_for(checkpoint={"every_steps": 3, "keep_every_steps": 4})
    found = {step: what_is_due(params, at(step), NUM_WINDOWS, None) for step in range(1, 13)}
    assert [step for step, due in found.items() if due.checkpoint] == [3, 4, 6, 8, 9, 12]
    assert [step for step, due in found.items() if due.keep] == [4, 8, 12]


def test_the_end_comes_with_an_evaluation_and_a_checkpoint() -> None:
    due = what_is_due(params_for(), at(100), NUM_WINDOWS, 0.0)
    assert due == Due(report=True, evaluation=True, checkpoint=True, keep=False, end=True)
    after = at(100, evaluated_step=100, checkpointed_step=100)
    assert what_is_due(params_for(), after, NUM_WINDOWS, None) == Due(False, False, False, False, True)


@given(
    epochs=st.none() | st.integers(1, 20),
    max_steps=st.none() | st.integers(1, 200),
    minutes=st.none() | st.floats(0.01, 10),
    step=st.integers(0, 300),
    elapsed=st.floats(0, 1000),
)
def test_training_is_finished_when_its_progress_is_complete(
    epochs: int | None, max_steps: int | None, minutes: float | None, step: int, elapsed: float
) -> None:
    values = {"epochs": epochs, "max_steps": max_steps, "max_minutes": minutes, "schedule": "constant", "patience": 3}
    training = params_for(training=values).training
    where = at(step, elapsed=elapsed)
    total = total_steps(training, NUM_WINDOWS)
    expected = [limit for limit in (max_steps, epochs and epochs * NUM_WINDOWS) if limit]
    assert total == min(expected, default=None)
    progress = run_progress(training, where, NUM_WINDOWS)
    if progress is None:
        assert (total, minutes) == (None, None)
        assert not is_finished(training, where, NUM_WINDOWS)
    else:
        assert 0 <= progress <= 1
        assert progress < 1 or is_finished(training, where, NUM_WINDOWS)
    over_time = minutes is not None and elapsed >= 60 * minutes
    assert is_finished(training, where, NUM_WINDOWS) == (over_time or (total is not None and step >= total))


def test_early_stopping_ends_training_after_patience_evaluations_without_improvement() -> None:
    training = params_for(training={"patience": 3}).training
    assert not is_finished(training, at(5, evaluations_since_best=2), NUM_WINDOWS)
    assert is_finished(training, at(5, evaluations_since_best=3), NUM_WINDOWS)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_minutes": 1, "max_steps": None}, True),
        ({"max_minutes": 1, "max_steps": 5}, False),
        ({"max_minutes": 1, "max_steps": None, "epochs": 2}, False),
        ({"max_minutes": None, "max_steps": 5}, False),
        ({"max_minutes": None, "max_steps": None, "patience": 2, "schedule": "constant"}, False),
    ],
)
def test_only_a_run_that_time_alone_ends_is_limited_by_time(limits: dict[str, object], expected: bool) -> None:
    assert is_limited_by_time(params_for(training=limits).training) is expected
