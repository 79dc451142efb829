"""Goes on with what a crash has left, when Prefect reports one: which crashes those are, and how often."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterId,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterEndTime,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from charrnn.config.schema import TaskParams
from charrnn.errors import ParamsError
from charrnn.undecodable import original
from tasks.tracking.runs import FLOW_RUN_ID, RECOVERIES_TAG, RunRef
from tasks.tracking.tracker import Tracker

CANCELLED = {StateType.CANCELLING, StateType.CANCELLED}
RECOVERY, TRIAL = "pipeline/recover", "pipeline/trial"
# A crash whose event was lost is noticed after so long, and for so long.
MISSED_AFTER, MISSED_UNTIL = timedelta(minutes=2), timedelta(days=1)


@dataclass(frozen=True)
class Crash:
    """A flow run that crashed, and what it was asked for.

    Attributes:
        flow_run_ids: it, and those that it was to go on with because they had crashed before, the newest first.
        overlays: parameter files that the first of them was given.
        overrides: single parameters of the first.
        resume: the run that the first was to go on with; None for none.
        init_from: the trained model that the first was to start from; None for none.
    """

    flow_run_ids: tuple[str, ...]
    overlays: list[str]
    overrides: list[str]
    resume: str | None
    init_from: str | None


def read_crashed(flow_run_id: str) -> Crash:
    """Return the flow run that crashed, with those before it.

    Raises:
        ParamsError: a person cancelled it (Prefect reports a cancelled one as crashed, too), or there is none.
    """
    ids: list[str] = []
    with get_client(sync_client=True) as client:
        while True:
            states = _states(flow_run_id)
            if not states:
                raise ParamsError(f"flow run {flow_run_id}: Prefect has none of that id")
            if CANCELLED & states:
                raise ParamsError(
                    f"flow run {flow_run_id}: was cancelled, and does not go on by itself; give the run's id"
                )
            ids.append(flow_run_id)
            asked = client.read_flow_run(UUID(flow_run_id)).parameters
            resume = asked.get("resume")
            if resume is None or not FLOW_RUN_ID.fullmatch(resume) or resume in ids:
                break
            flow_run_id = resume
    overlays, overrides = ([original(text) for text in asked.get(key) or ()] for key in ("overlays", "overrides"))
    init_from = asked.get("init_from")
    return Crash(tuple(ids), overlays, overrides, resume, init_from and original(init_from))


def check_attempts(crashed: Crash, params: TaskParams) -> None:
    """Check that what has crashed before it had come to a run is tried again only so often.

    Raises:
        ParamsError: it was tried again `tasks.recoveries` times.
    """
    if len(crashed.flow_run_ids) > params.recoveries:
        raise ParamsError(
            f"flow run {crashed.flow_run_ids[-1]}: its process died before it had come to a run, and again after "
            f"tasks.recoveries {params.recoveries}; when the reason is gone, start it again by hand"
        )


def recover_missed() -> int:
    """Ask for what no event has asked for: that crashed flow runs go on whose crash the server did not hear of in time.

    A server that restarts, or that is suspended with its machine, loses the events of that moment. Trials are left out:
    their sweep asks for them itself.

    Returns:
        How many were asked for.
    """
    now = datetime.now(UTC)
    with get_client(sync_client=True) as client:
        try:
            recovery = client.read_deployment_by_name(RECOVERY)
        except ObjectNotFound:
            return 0
        try:
            trials = client.read_deployment_by_name(TRIAL).id
        except ObjectNotFound:
            trials = None
        crashed = client.read_flow_runs(
            flow_filter=FlowFilter(id=FlowFilterId(any_=[recovery.flow_id])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED])),
                end_time=FlowRunFilterEndTime(after_=now - MISSED_UNTIL, before_=now - MISSED_AFTER),
            ),
        )
        asked = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[recovery.id]),
                expected_start_time=FlowRunFilterExpectedStartTime(after_=now - MISSED_UNTIL),
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        )
        taken_up = {run.parameters.get("resume") for run in asked}
        missed = [
            str(run.id)
            for run in crashed
            if run.deployment_id not in (None, trials)
            and str(run.id) not in taken_up
            and not was_cancelled(str(run.id))
        ]
        for one in missed:
            # Under a key: another run may ask for the same at this moment.
            client.create_flow_run_from_deployment(
                recovery.id, parameters={"resume": one}, idempotency_key=f"missed {one}"
            )
    return len(missed)


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
