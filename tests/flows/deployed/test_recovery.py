"""Which flow runs go on by themselves, on a real Prefect server, and how often."""

from typing import Any
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Cancelling, Crashed, Running

from charrnn.config.schema import Params, TaskParams
from charrnn.errors import ParamsError, TrackingError
from flows.deployed.recovery import check_crashed, count_recovery, was_cancelled
from tasks.tracking.mlflow import Experiment, run_tag
from tasks.tracking.runs import FLOW_RUN_TAG, RECOVERIES_TAG
from tasks.tracking.tracker import Tracker
from tests.workplace import start_run


@flow
def nothing() -> None:
    """Somebody's flow."""


def flow_run_that_was(*states: State[Any]) -> str:
    with get_client(sync_client=True) as client:
        made = client.create_flow_run(nothing)
        for state in states:
            client.set_flow_run_state(made.id, state, force=True)
    return str(made.id)


@pytest.mark.usefixtures("api_url")
def test_one_that_crashed_goes_on() -> None:
    check_crashed(flow_run_that_was(Running(), Crashed()))


@pytest.mark.usefixtures("api_url")
def test_one_that_a_person_cancelled_does_not() -> None:
    flow_run = flow_run_that_was(Running(), Cancelling(), Crashed())
    with pytest.raises(ParamsError, match=f"flow run {flow_run}: was cancelled"):
        check_crashed(flow_run)
    assert was_cancelled(flow_run)
    assert not was_cancelled(flow_run_that_was(Running(), Crashed()))


@pytest.mark.usefixtures("api_url")
def test_one_that_is_not_there_does_not() -> None:
    with pytest.raises(ParamsError, match="Prefect has none of that id"):
        check_crashed(str(uuid4()))


def test_a_run_goes_on_by_itself_only_so_often(store: Params) -> None:
    run = start_run(store, "dies again and again", {})
    for times in ("1", "2"):
        count_recovery(run, TaskParams(recoveries=2))
        Tracker(run).wait()
        assert run_tag(run, RECOVERIES_TAG) == times
    with pytest.raises(ParamsError, match=rf"tasks\.recoveries 2; .* --resume {run.run_id}"):
        count_recovery(run, TaskParams(recoveries=2))


def test_the_run_of_a_flow_run_is_found(store: Params) -> None:
    flow_run = str(uuid4())
    run = start_run(store, "of a flow run", {FLOW_RUN_TAG: flow_run})
    start_run(store, "of another", {FLOW_RUN_TAG: str(uuid4())})
    experiment = Experiment(store.tracking, store.data)
    assert experiment.find_run(flow_run).run_id == run.run_id
    with pytest.raises(TrackingError, match="there is nothing to go on with"):
        experiment.find_run(str(uuid4()))
