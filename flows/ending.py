"""How a run of a flow ends in MLflow: FINISHED, FAILED with the error, or KILLED, with what to type to go on."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.exceptions import TerminationSignal

from charrnn.errors import TrackingError
from charrnn.stopping import stop_requests
from flows.naming import sync_command, typed
from tasks.tracking.mlflow import reopen_run
from tasks.tracking.runs import RunRef
from tasks.tracking.tracker import STOP_SECONDS, Tracker

logger = logging.getLogger("charrnn")


@contextmanager
def ending(run: RunRef, command: str) -> Iterator[None]:
    """End the MLflow run by how the block ends: FINISHED, FAILED with the error, or KILLED.

    Args:
        run: it is a running one of this process while the block runs.
        command: of `charrnn`, the one whose `--resume` goes on with it.
    """
    tracker = Tracker(run)
    left = 0
    try:
        reopen_run(run)
        yield
        left = tracker.finish("FINISHED")
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | TerminationSignal | SystemExit)
        try:
            with stop_requests():
                if stopped:
                    left = tracker.finish("KILLED", patience=STOP_SECONDS)
                else:
                    left = tracker.finish("FAILED", f"{type(error).__name__}: {error}")
        except TrackingError as problem:
            logger.warning("warning   the run's end could not be recorded: %s", problem)
        if stopped:
            logger.warning("stopped   go on with: %s --resume %s", typed(command), run.run_id)
        raise
    finally:
        if left:
            waiting = sync_command(run.data.path)
            logger.warning("warning   %d operations wait in %s; send them with: %s", left, run.outbox, waiting)
