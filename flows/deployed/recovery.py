"""Goes on with what a crash has left, when Prefect reports one: which crashes those are, and how often."""

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from charrnn.config.schema import TaskParams
from charrnn.errors import ParamsError
from tasks.tracking.runs import RECOVERIES_TAG, RunRef
from tasks.tracking.tracker import Tracker

CANCELLED = {StateType.CANCELLING, StateType.CANCELLED}


def check_crashed(flow_run_id: str) -> None:
    """Check that no person cancelled the flow run: Prefect reports a cancelled one as crashed, too.

    Raises:
        ParamsError: it was cancelled, or there is none.
    """
    states = _states(flow_run_id)
    if not states:
        raise ParamsError(f"flow run {flow_run_id}: Prefect has none of that id")
    if CANCELLED & states:
        raise ParamsError(f"flow run {flow_run_id}: was cancelled, and does not go on by itself; give the run's id")


def was_cancelled(flow_run_id: str) -> bool:
    """Whether a person cancelled the flow run, so that there is nothing to recover."""
    return bool(CANCELLED & _states(flow_run_id))


def count_recovery(run: RunRef, params: TaskParams) -> None:
    """Count that `run` goes on by itself, so that a run that dies each time is given up in the end.

    Raises:
        ParamsError: it did so `tasks.recoveries` times.
    """
    tracker = Tracker(run)
    times = int(tracker.tag(RECOVERIES_TAG) or 0)
    if times >= params.recoveries:
        raise ParamsError(
            f"run {run.run_id}: its process died again after tasks.recoveries {params.recoveries}; when the reason is "
            f"gone, go on with it by hand: --resume {run.run_id}"
        )
    tracker.tags({RECOVERIES_TAG: str(times + 1)})


def _states(flow_run_id: str) -> set[StateType]:
    """Return the types of all states that the flow run had; none where there is no such flow run."""
    with get_client(sync_client=True) as client:
        try:
            return {state.type for state in client.read_flow_run_states(UUID(flow_run_id))}
        except ObjectNotFound:
            return set()
