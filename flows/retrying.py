"""Which failures are worth a second try, and the options every task of the flow takes from the parameters."""

import logging
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

from charrnn.config.schema import TaskParams
from charrnn.errors import CharrnnError, RankError
from charrnn.training.launched import launched

logger = logging.getLogger("charrnn")


def worth_retrying(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed task may succeed when it is tried again: not when the input is wrong or the loss diverged.

    Processes that the task started, and of which one has ended, are started again; those of a launcher it starts again.
    """
    error = state.result(raise_on_failure=False)
    if isinstance(error, RankError) and launched() is None:
        logger.warning("warning   %s: the training starts again", error)
        return True
    return not isinstance(error, CharrnnError)


def options(params: TaskParams) -> dict[str, Any]:
    """Return the arguments for `Task.with_options`."""
    return {
        "retries": params.retries,
        "retry_delay_seconds": params.retry_delay_seconds,
        "retry_condition_fn": worth_retrying,
        "timeout_seconds": params.timeout_minutes and 60 * params.timeout_minutes,
    }
