"""The form that asks a person for approval, and what an answer from elsewhere does to it, on a real Prefect server."""

import json
from uuid import UUID, uuid4

import pytest
from mlflow import MlflowClient
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.input.actions import read_flow_run_input
from prefect.input.run_input import keyset_from_paused_state
from prefect.states import Running, Suspended

from charrnn.config.schema import Params
from flows.deployed.approval import KEY, Approval, answer, code, question, was_asked
from tasks.tracking.approval import Waiting
from tasks.tracking.runs import FLOW_RUN_TAG, SAMPLES_FILE
from tests.workplace import start_run


@flow
def nothing() -> None:
    """Somebody's flow."""


def state_of(flow_run: UUID) -> State[None]:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(flow_run).state
    assert state is not None
    return state


@pytest.fixture
def suspended(api_url: str) -> UUID:
    """A deployed flow run that waits for a person."""
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(nothing), f"asks {uuid4()}")
        flow_run = client.create_flow_run_from_deployment(deployment).id
        assert not was_asked(str(flow_run))
        client.set_flow_run_state(flow_run, Running(), force=True)
        state: State[None] = Suspended(timeout_seconds=600, pause_key=KEY)
        state.state_details.run_input_keyset = dict[str, str](keyset_from_paused_state(state).items())
        client.set_flow_run_state(flow_run, state)
    Approval.save(keyset_from_paused_state(state), flow_run_id=flow_run)
    assert state_of(flow_run).name == "Suspended"
    return flow_run


def test_an_approval_from_elsewhere_lets_the_flow_run_go_on_and_end(store: Params, suspended: UUID) -> None:
    run = start_run(store, "a run that asks", {FLOW_RUN_TAG: str(suspended)})
    answer(run)
    assert was_asked(str(suspended))
    assert state_of(suspended).name == "Resuming"
    response = read_flow_run_input(f"suspended-{KEY}-response", flow_run_id=suspended)
    assert response == {"approve": True}
    answer(run)  # there is nothing left to answer
    assert state_of(suspended).name == "Resuming"


def test_the_form_has_figures_report_and_both_samples_in_which_nothing_is_markup(store: Params) -> None:
    client = MlflowClient(tracking_uri=str(store.tracking.uri))
    runs = [start_run(store, f"run {number}", {}) for number in range(2)]
    client.create_registered_model("on a form")
    for run, sample in zip(runs, ("ROMEO:\nO", "<b>a|b</b> `c`\n\x1b[2J" + "x" * 30), strict=True):
        client.log_text(run.run_id, f'{{"columns": ["text"], "data": [[{json.dumps(sample)}]]}}', SAMPLES_FILE)
        client.create_model_version("on a form", f"file://{run.checkpoints}", run_id=run.run_id)
    shown = question(runs[1], Waiting("on a form", "2", "1", "1.2 against 1.3 nats"), "http://me:hunter2@host")
    assert "hunter2" not in shown
    assert "1.2 against 1.3 nats" in shown
    assert f"/runs/{runs[1].run_id}/artifacts/report/report.html" in shown
    rows = shown.splitlines()[shown.splitlines().index("| --- | --- |") :]
    assert rows[1:] == [
        "| `<b>a¦b</b> \N{MODIFIER LETTER GRAVE ACCENT}c\N{MODIFIER LETTER GRAVE ACCENT}` | `ROMEO:` |",
        r"| `\x1b[2Jxxxxxxxxxxxxxxxxxxx` | `O` |",
        "| `xxxxxxxxxxx` |  |",
    ]


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_line_is_no_code(text: str) -> None:
    assert code(text) == ""
