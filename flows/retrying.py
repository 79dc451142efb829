"""Which failures are worth a second try, and the options every task of the flow takes from the parameters."""

import logging
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

from charrnn.config.schema import TaskParams
from charrnn.errors import CharrnnError, RankError
from charrnn.training.launched import launched
from tasks.train import train

logger = logging.getLogger("charrnn")


def worth_retrying(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed task may succeed when it is tried again: not when the input is wrong or the loss diverged.

    Processes that training started, and of which one has ended, are started again. Those of a launcher end with the
    training, whatever ended it: only the launcher can start them again.
    """
    if task.name == train.name and launched() is not None:
        return False
    error = state.result(raise_on_failure=False)
    if isinstance(error, RankError):
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
