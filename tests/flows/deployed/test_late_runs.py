"""What becomes of a schedule's runs that nobody started in time, on a real Prefect server."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Scheduled

from flows.deployed.late_runs import drop_late_runs

HOUR = timedelta(hours=1)


@flow
def nothing(number: int = 0) -> None:
    """Somebody's flow."""


@pytest.fixture
def deployment(api_url: str) -> str:
    with get_client(sync_client=True) as client:
        return str(client.create_deployment(client.create_flow(nothing), f"nightly {uuid4()}"))


def post(url: str, body: Any) -> None:
    """Post `body`, again and again while the server is too busy for its database, as Prefect's own client does."""
    for _ in range(20):
        answer = httpx.post(url, json=body)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(0.5)
    answer.raise_for_status()


@pytest.fixture
def schedule(api_url: str, deployment: str) -> Callable[..., list[FlowRun]]:
    """Give the deployment a schedule, and its runs of some hours before and after now, the earliest first."""

    def scheduled(before: int, after: int = 0, parameters: dict[str, Any] | None = None) -> list[FlowRun]:
        anchor = datetime.now(UTC) - timedelta(minutes=1)
        every = {"interval": HOUR.total_seconds(), "anchor_date": anchor.isoformat()}
        body = [{"schedule": every, "active": True, "parameters": parameters or {}}]
        post(f"{api_url}/deployments/{deployment}/schedules", body)
        span = {
            "start_time": (anchor - before * HOUR + timedelta(minutes=1)).isoformat(),
            "end_time": (anchor + after * HOUR + timedelta(minutes=1)).isoformat(),
            "max_runs": before + after,
            "min_runs": before + after,
        }
        post(f"{api_url}/deployments/{deployment}/schedule", span)
        return of(deployment)

    return scheduled


def of(deployment: str) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        found = [run for run in client.read_flow_runs() if str(run.deployment_id) == deployment]
    return sorted(found, key=lambda run: run.expected_start_time or datetime.now(UTC))


def states(deployment: str) -> list[str]:
    return [run.state.type.value for run in of(deployment) if run.state]


def test_the_first_late_run_stands_for_all(deployment: str, schedule: Callable[..., list[FlowRun]]) -> None:
    runs = schedule(before=3, after=2)
    assert len(runs) == 5
    assert drop_late_runs(str(runs[0].id), deployment) == 2
    assert states(deployment) == ["SCHEDULED", "CANCELLED", "CANCELLED", "SCHEDULED", "SCHEDULED"]
    assert drop_late_runs(str(runs[0].id), deployment) == 0
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(runs[1].id).state
    assert state is not None
    assert state.message == f"late; flow run {runs[0].name} stands for it"


def test_a_run_with_other_parameters_is_not_stood_for(deployment: str, schedule: Callable[..., list[FlowRun]]) -> None:
    schedule(before=1)
    runs = schedule(before=1, parameters={"number": 1})
    assert len(runs) == 2
    assert drop_late_runs(str(runs[0].id), deployment) == 0


def test_a_run_that_somebody_asked_for_stands_for_none_and_is_stood_for_by_none(
    deployment: str, schedule: Callable[..., list[FlowRun]]
) -> None:
    runs = schedule(before=2)
    with get_client(sync_client=True) as client:
        early: State[None] = Scheduled(scheduled_time=datetime.now(UTC) - HOUR)
        asked = client.create_flow_run_from_deployment(UUID(deployment), state=early)
    assert drop_late_runs(str(asked.id), deployment) == 0
    assert drop_late_runs(str(runs[0].id), deployment) == 1
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(asked.id).state
    assert state is not None
    assert state.type.value == "SCHEDULED"


def test_another_deployments_runs_are_not_touched(
    deployment: str, schedule: Callable[..., list[FlowRun]], api_url: str
) -> None:
    runs = schedule(before=2)
    with get_client(sync_client=True) as client:
        other = str(client.create_deployment(client.create_flow(nothing), f"other {uuid4()}"))
    assert drop_late_runs(str(runs[0].id), other) == 0
    assert states(deployment) == ["SCHEDULED", "SCHEDULED"]


def test_a_run_of_no_deployment_has_no_schedule() -> None:
    assert drop_late_runs(str(uuid4()), None) == 0
