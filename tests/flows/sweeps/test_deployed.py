"""A trial as a flow run of a real Prefect server, whatever happens to the flow run."""

from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Running, Suspended

from charrnn.stopping import StopRequest
from flows.sweeps import deployed
from flows.sweeps.deployed import DeployedTrial, Server
from flows.sweeps.patience import Stopping


@flow
def training() -> None:
    """Is never run: its states are set."""


def trial_of(flow_run: FlowRun) -> DeployedTrial:
    return DeployedTrial(Server(Stopping(StopRequest())), "0", flow_run)


def test_a_trial_ends_whatever_becomes_of_its_flow_run(api_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with get_client(sync_client=True) as client:
        waiting, left, deleted = (client.create_flow_run(training, state=Running()) for _ in range(3))
        client.set_flow_run_state(waiting.id, Suspended(timeout_seconds=3600), force=True)
        ended = trial_of(waiting).poll()
        assert ended is not None  # it waits for a person's approval: it has trained
        assert not ended.died

        trial = trial_of(left)
        trial.stop()
        assert trial.poll() is None
        monkeypatch.setattr(deployed, "STOP_SECONDS", 0.0)  # the worker's machine is gone
        ended = trial.poll()
        assert ended is not None
        assert ended.died
        assert state_of(client, left.id) is StateType.CANCELLED

        client.delete_flow_run(deleted.id)
        trial = trial_of(deleted)
        trial.stop()
        ended = trial.poll()
        assert ended is not None
        assert ended.reason == "its flow run was deleted"


def state_of(client: SyncPrefectClient, flow_run: UUID) -> StateType:
    state = client.read_flow_run(flow_run).state
    assert state is not None
    return state.type
