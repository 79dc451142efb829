import pytest
from prefect import flow, task

from charrnn.config.schema import TaskParams
from charrnn.errors import CorpusError, DivergedError, RankError
from flows.retrying import options


def tries(error: Exception, **params: float) -> int:
    """Return how often a task that always fails with `error` is run."""
    count = 0

    @task
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


@pytest.mark.parametrize(("minutes", "seconds"), [(None, None), (1.5, 90.0)])
def test_the_options_are_those_of_the_parameters(minutes: float | None, seconds: float | None) -> None:
    found = options(TaskParams(retries=4, retry_delay_seconds=7, timeout_minutes=minutes))
    assert (found["retries"], found["retry_delay_seconds"], found["timeout_seconds"]) == (4, 7, seconds)
