"""Goes on with what a crash has left, when Prefect reports one: which crashes those are, and how often."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
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
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from charrnn.config.schema import TaskParams
from charrnn.errors import ParamsError
from charrnn.undecodable import original
from flows.deployed.server import answered
from tasks.tracking.naming import NEWEST
from tasks.tracking.runs import RECOVERIES_TAG, RunRef, is_flow_run_id
from tasks.tracking.tracker import Tracker

CANCELLED = {StateType.CANCELLING, StateType.CANCELLED}
# Of a flow run that is done, or that a process or a worker has: it began after all, or a person had it tried again.
GOES_ON = {StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.COMPLETED}
RECOVERY, TRIAL = "pipeline/recover", "pipeline/trial"
# A crash whose event was lost is noticed after so long, and for so long.
MISSED_AFTER, MISSED_UNTIL = timedelta(minutes=2), timedelta(days=3)
# How long a flow run that a worker took may take to begin: a cluster may have to start a machine.
BEGINS_WITHIN, NOT_BEGUN = timedelta(minutes=15), "Not begun a quarter of an hour after a worker took it."


@dataclass(frozen=True)
class Crash:
    """A flow run that crashed, and what it was asked for.

    Attributes:
        flow_run_ids: it, and those that it was to go on with because they had crashed before, the newest first.
        overlays: parameter files that the first of them was given.
        overrides: single parameters of the first.
        resume: the run that the first was to go on with; None for none.
        init_from: the trained model that the first was to start from; None for none.
        lost: a flow run before the first, which Prefect no longer has; '' for none.
    """

    flow_run_ids: tuple[str, ...]
    overlays: list[str]
    overrides: list[str]
    resume: str | None
    init_from: str | None
    lost: str = ""


def read_crashed(flow_run_id: str) -> Crash:
    """Return the flow run that crashed, with those before it.

    Raises:
        ParamsError: a person cancelled it (Prefect reports a cancelled one as crashed, too), or there is none.
        httpx.HTTPError: the server does not answer.
    """

    def read(client: SyncPrefectClient) -> tuple[list[FlowRun], str, str]:
        chain, lost = _chain(client, flow_run_id)
        return chain, lost, _cancelled(client, chain)

    chain, lost, cancelled = answered(read)
    if not chain:
        raise ParamsError(f"flow run {flow_run_id}: Prefect has none of that id")
    if cancelled:
        raise ParamsError(f"flow run {cancelled}: was cancelled, and does not go on by itself; give the run's id")
    first = chain[-1].parameters
    resume, init_from = first.get("resume"), first.get("init_from")
    overlays, overrides = ([original(text) for text in first.get(key) or ()] for key in ("overlays", "overrides"))
    ids = tuple(str(one.id) for one in chain)
    return Crash(ids, overlays, overrides, None if lost else resume, init_from and original(init_from), lost)


def check_again(crashed: Crash, params: TaskParams) -> None:
    """Check that what crashed before it had come to a run in MLflow can be done again, and only so often.

    Raises:
        ParamsError: what it was asked for is not known any more, it was to go on with the last run of another day, or
            it was tried again `tasks.recoveries` times.
    """
    first = crashed.flow_run_ids[-1]
    if crashed.lost:
        raise ParamsError(f"flow run {first}: was to go on with flow run {crashed.lost}, which Prefect has not")
    if crashed.resume == NEWEST:
        raise ParamsError(f"flow run {first}: was to go on with the last run of that day; give the run's id")
    if len(crashed.flow_run_ids) > params.recoveries:
        raise ParamsError(
            f"flow run {first}: its process died before it had come to a run, and again after "
            f"tasks.recoveries {params.recoveries}; when the reason is gone, start it again by hand"
        )


def recover_missed() -> int:
    """Ask for what no event has asked for: that flow runs go on whose crash the server did not hear of in time.

    A server that restarts, or that is suspended with its machine, loses the events of that moment. Trials are left out:
    their sweep asks for them itself. Flow runs that a worker took long ago, and that have not begun, become crashed, as
    an automation of `deploy/automations.yaml` makes them unless the server has lost that event, too.

    Returns:
        How many were asked for; 0, too, where the server does not answer as it should: the next run asks again.
    """
    try:
        with get_client(sync_client=True) as client:
            return _recover_missed(client, datetime.now(UTC))
    except httpx.HTTPError:
        return 0


def _recover_missed(client: SyncPrefectClient, now: datetime) -> int:
    recovery, trials = (_deployment(client, name) for name in (RECOVERY, TRIAL))
    if recovery is None:
        return 0

    def newest(state: StateType, end_time: FlowRunFilterEndTime | None = None) -> list[FlowRun]:
        return client.read_flow_runs(
            flow_filter=FlowFilter(id=FlowFilterId(any_=[recovery.flow_id])),
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(is_null_=False),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[state])),
                end_time=end_time,
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        )

    for taken in newest(StateType.PENDING):
        with contextlib.suppress(ObjectNotFound):  # somebody deletes it at this moment
            state = client.read_flow_run(taken.id).state  # it may have begun by now
            if state is not None and state.type is StateType.PENDING and state.timestamp < now - BEGINS_WITHIN:
                client.set_flow_run_state(taken.id, Crashed(message=NOT_BEGUN))
    known = {run.parameters.get("resume") for run in _recoveries(client, recovery.id, now)}
    missed = 0
    for run in newest(StateType.CRASHED, FlowRunFilterEndTime(after_=now - MISSED_UNTIL, before_=now - MISSED_AFTER)):
        chain = _chain(client, str(run.id))[0] if str(run.id) not in known else []
        if not chain or (trials and chain[-1].deployment_id == trials.id) or _cancelled(client, chain):
            continue
        # Under a key: another flow run may ask for the same at this moment.
        client.create_flow_run_from_deployment(
            recovery.id, parameters={"resume": str(run.id)}, idempotency_key=f"missed {run.id}"
        )
        missed += 1
    return missed


def taken_over(flow_run_id: str) -> str:
    """Return the flow run that goes on with this one, which had been taken for crashed; '' for none.

    What begins long after a worker took it, since a cluster had to start a machine, must not train beside that: of the
    two, the one that began first trains (`nothing_to_recover`). One that a person has tried again was scheduled since,
    and trains.

    Raises:
        httpx.HTTPError: the server does not answer.
    """

    def other(client: SyncPrefectClient) -> str:
        since = _since_crash(client, flow_run_id)
        recovery = _deployment(client, RECOVERY)
        began = _began(since or ())
        if recovery is None or began is None or _scheduled(since or ()):
            return ""
        given_up = {StateType.FAILED, StateType.CANCELLED}
        for one in _recoveries(client, recovery.id, datetime.now(UTC)):
            if one.parameters.get("resume") == flow_run_id and one.state_type not in given_up:
                theirs = _began(client.read_flow_run_states(one.id))
                if theirs is not None and theirs < began:
                    return str(one.id)
        return ""

    return answered(other)


def nothing_to_recover(flow_run_id: str, recovery_id: str) -> str:
    """Return why the flow run is not to be recovered by flow run `recovery_id`; '' where it is.

    `pipeline/recover` is called for each that Prefect took for crashed: also where a person cancelled it, or one that
    it was to go on with, where a person has had it tried again, and where it was not dead: it went on, or began, before
    the recovery did.

    Raises:
        httpx.HTTPError: the server does not answer.
    """

    def reason(client: SyncPrefectClient) -> str:
        chain, _ = _chain(client, flow_run_id)
        if cancelled := _cancelled(client, chain):
            return f"flow run {cancelled} was cancelled"
        state, since = (chain[0].state, _since_crash(client, flow_run_id)) if chain else (None, None)
        if state is None:
            return ""
        if since is None or _scheduled(since):
            goes_on = state.type in GOES_ON
        elif (began := _began(since)) is None:
            goes_on = state.type is StateType.COMPLETED  # its process was suspended, not dead
        else:
            ours = _began(client.read_flow_run_states(UUID(recovery_id)))
            goes_on = ours is None or began < ours
        return f"flow run {flow_run_id} is {state.name}" if goes_on else ""

    return answered(reason)


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


def _chain(client: SyncPrefectClient, flow_run_id: str) -> tuple[list[FlowRun], str]:
    """Return a flow run and those that it was to go on with, the newest first, and the next, which Prefect has not."""
    found: list[FlowRun] = []
    wanted: str | None = flow_run_id
    while is_flow_run_id(wanted) and wanted not in {str(one.id) for one in found}:
        try:
            found.append(client.read_flow_run(UUID(wanted)))
        except ObjectNotFound:
            return found, wanted
        wanted = found[-1].parameters.get("resume")
    return found, ""


def _since_crash(client: SyncPrefectClient, flow_run_id: str) -> list[State] | None:
    """Return the states of a flow run after its last crash, in order; None where it never crashed."""
    states = sorted(client.read_flow_run_states(UUID(flow_run_id)), key=lambda state: state.timestamp)
    crashes = [at for at, state in enumerate(states) if state.type is StateType.CRASHED]
    return states[crashes[-1] + 1 :] if crashes else None


def _scheduled(states: Iterable[State]) -> bool:
    return any(state.type is StateType.SCHEDULED for state in states)


def _began(states: Iterable[State]) -> datetime | None:
    """Return when a flow run last began to run; None where it did not."""
    return max((state.timestamp for state in states if state.type is StateType.RUNNING), default=None)


def _cancelled(client: SyncPrefectClient, chain: list[FlowRun]) -> str:
    """Return the first of the flow runs that a person has cancelled; '' for none."""
    for run in chain:
        if any(state.type in CANCELLED for state in client.read_flow_run_states(run.id)):
            return str(run.id)
    return ""


def _deployment(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None


def _recoveries(client: SyncPrefectClient, recovery: UUID, now: datetime) -> list[FlowRun]:
    """Return the newest flow runs that were asked to go on with another."""
    since = FlowRunFilterExpectedStartTime(after_=now - MISSED_UNTIL)
    deployment = FlowRunFilterDeploymentId(any_=[recovery])
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(deployment_id=deployment, expected_start_time=since),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
    )
