import pytest
from prefect import flow, task

from charrnn.config.schema import TaskParams
from charrnn.errors import CorpusError, DivergedError, RankError
from charrnn.training.launched import Launched
from flows.retrying import options
from tasks.train import train


def tries(error: Exception, name: str = "fails", **params: float) -> int:
    """Return how often a task of this name that always fails with `error` is run."""
    count = 0

    @task(name=name)
    def fails() -> None:
        nonlocal count
        count += 1
        raise error

    @flow
    def once() -> None:
        fails.with_options(**options(TaskParams(retry_delay_seconds=0, **params)))()

    with pytest.raises(type(error)):
        once()
    return count


@pytest.mark.usefixtures("api_url")
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionError("the line went dead"), 3),
        (RankError("rank 1 of this training was ended by SIGKILL"), 3),
        (CorpusError("a.txt: is empty"), 1),
        (DivergedError("training diverged at step 3"), 1),
    ],
)
def test_only_what_may_do_better_next_time_is_tried_again(error: Exception, expected: int) -> None:
    assert tries(error, retries=2) == expected


@pytest.mark.usefixtures("api_url")
def test_training_whose_processes_a_launcher_started_is_not_tried_again_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Launched(0, 2, 0, 2, "127.0.0.1", 29500, has_store=True)
    for name, value in place.environment().items():
        monkeypatch.setenv(name, value)
    assert tries(OSError("No space left on device"), train.name, retries=1) == 1
    assert tries(OSError("No space left on device"), retries=1) == 2  # another task has no such processes


@pytest.mark.parametrize(("minutes", "seconds"), [(None, None), (1.5, 90.0)])
def test_the_options_are_those_of_the_parameters(minutes: float | None, seconds: float | None) -> None:
    found = options(TaskParams(retries=4, retry_delay_seconds=7, timeout_minutes=minutes))
    assert (found["retries"], found["retry_delay_seconds"], found["timeout_seconds"]) == (4, 7, seconds)
