"""Runs of a schedule that came due while no server or worker was there: the first that starts stands for all of them.

Prefect itself would start every one of them, one after the other.
"""

from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelled

from flows.deployed.server import answered


def drop_late_runs(flow_run_id: str, deployment_id: str | None) -> int:
    """Cancel the other runs of the same schedule that are due and have not started.

    Does nothing for a run that a person started. Runs of other schedules are told apart by their parameters.

    Returns:
        How many were cancelled.

    Raises:
        httpx.HTTPError: the server does not answer.
    """
    if deployment_id is None:
        return 0

    def drop(client: SyncPrefectClient) -> int:
        this = client.read_flow_run(UUID(flow_run_id))
        if not this.auto_scheduled:
            return 0
        due = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[UUID(deployment_id)]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
                expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
            )
        )
        late = [
            run
            for run in due
            if run.auto_scheduled and not run.run_count and run.id != this.id and run.parameters == this.parameters
        ]
        for run in late:
            client.set_flow_run_state(run.id, Cancelled(message=f"late; flow run {this.name} stands for it"))
        return len(late)

    return answered(drop)
