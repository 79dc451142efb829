"""The form that asks a person for approval, and what an answer from elsewhere does to it, on a real Prefect server."""

import contextlib
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow_sync
from prefect.flow_runs import resume_flow_run
from prefect.input.actions import read_flow_run_input
from prefect.input.run_input import keyset_from_paused_state
from prefect.states import Failed, Running, Suspended

from charrnn.config.schema import Params
from charrnn.errors import TrackingError
from flows.deployed.approval import KEY, Approval, answer, carry_out, code, question, was_asked
from tasks.tracking.approval import LONGEST_REASON, Waiting, as_reason, settle, waiting_version
from tasks.tracking.naming import CHAMPION
from tasks.tracking.runs import FLOW_RUN_TAG, FLOW_RUNS_TAG, PROMOTION_TAG, SAMPLES_FILE, WAITING_TAG, RunRef
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
    # Somebody has gone on with it since: another flow run, which waits for nobody, is its newest.
    tags = {FLOW_RUN_TAG: (other := str(uuid4())), FLOW_RUNS_TAG: f"{suspended} {other}"}
    run = start_run(store, "a run that asks", tags)
    answer(run)
    assert was_asked(str(suspended))
    assert state_of(suspended).name == "Resuming"
    response = read_flow_run_input(f"suspended-{KEY}-response", flow_run_id=suspended)
    assert response == {"approve": True}
    answer(run)  # there is nothing left to answer
    assert state_of(suspended).name == "Resuming"


@pytest.fixture
def waiting(store: Params, suspended: UUID) -> RunRef:
    """A run whose version 1 of `asked` waits for an answer to the flow run, and is not the champion."""
    client, run = MlflowClient(tracking_uri=str(store.tracking.uri)), start_run(store, "asks", {})
    with contextlib.suppress(MlflowException):
        client.create_registered_model("asked")
    version = client.create_model_version("asked", f"file://{run.checkpoints}", run_id=run.run_id)
    client.set_tag(run.run_id, WAITING_TAG, Waiting("asked", str(version.version), "", "the first one").to_tag())
    return run


def goes_on(suspended: UUID, run: RunRef) -> State[Any]:
    """Start the flow run again, as a worker does; return the state that it ends in."""

    @flow
    def asks() -> str:
        return carry_out(run, str(suspended), "http://127.0.0.1:5000", 1)

    with get_client(sync_client=True) as client:
        found = client.read_flow_run(suspended)
    ended: Any = run_flow_sync(asks, flow_run=found, return_type="state")
    assert isinstance(ended, State)
    return ended


@pytest.mark.parametrize(
    ("approve", "decision"),
    [
        (False, "is not the champion: declined in Prefect: it does not rhyme; the first one"),
        (True, "champion: approved in Prefect: it does not rhyme; the first one"),
    ],
)
def test_what_a_person_answers_is_done(
    store: Params, suspended: UUID, waiting: RunRef, approve: bool, decision: str
) -> None:
    client = MlflowClient(tracking_uri=str(store.tracking.uri))
    client.delete_registered_model_alias("asked", CHAMPION)
    resume_flow_run(suspended, {"approve": approve, "reason": "it does not rhyme"})
    assert goes_on(suspended, waiting).result() == decision
    (version,) = client.search_model_versions(f"run_id = '{waiting.run_id}'")
    assert (version.description, client.get_run(waiting.run_id).data.tags[WAITING_TAG]) == (decision, "")
    assert client.get_registered_model("asked").aliases == ({CHAMPION: version.version} if approve else {})
    assert goes_on(suspended, waiting).result() == "was decided already"


def test_a_flow_run_whose_time_was_over_asks_again_and_takes_no_silence_for_an_answer(
    store: Params, suspended: UUID, waiting: RunRef
) -> None:
    client = MlflowClient(tracking_uri=str(store.tracking.uri))
    with get_client(sync_client=True) as prefect:
        prefect.set_flow_run_state(suspended, Failed(message="was paused and never resumed"), force=True)
        prefect.set_flow_run_state(suspended, Running(), force=True)
    assert was_asked(str(suspended))
    with pytest.raises(Pause):
        goes_on(suspended, waiting)
    assert state_of(suspended).name == "Suspended"
    assert client.get_run(waiting.run_id).data.tags[WAITING_TAG]
    resume_flow_run(suspended, {"approve": False})
    assert goes_on(suspended, waiting).result().endswith("declined in Prefect; the first one")


def test_a_yes_that_the_store_did_not_take_can_be_said_again(
    store: Params, waiting: RunRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(tracking_uri=str(store.tracking.uri))
    client.delete_registered_model_alias("asked", CHAMPION)
    found = waiting_version(waiting)
    assert found is not None

    def away(*_: object) -> None:
        raise TrackingError("the store does not answer")

    for step in ("set_alias", "describe_version", "set_tags"):
        with monkeypatch.context() as patch:
            patch.setattr(f"tasks.tracking.approval.{step}", away)
            with pytest.raises(TrackingError, match="does not answer"):
                settle(waiting, found, approved=True, reason="yes")
        assert waiting_version(waiting) == found
    assert settle(waiting, found, approved=True, reason="yes") == "champion: yes; the first one"
    assert str(client.get_registered_model("asked").aliases[CHAMPION]) == found.version


def test_a_yes_to_a_version_that_was_overtaken_changes_nothing_and_is_told(store: Params, waiting: RunRef) -> None:
    client = MlflowClient(tracking_uri=str(store.tracking.uri))
    other = str(client.create_model_version("asked", "file:///nowhere").version)
    client.set_registered_model_alias("asked", CHAMPION, other)
    found = waiting_version(waiting)
    assert found is not None
    with pytest.raises(TrackingError, match=f"but version {other} is the champion now; to make it the champion all"):
        settle(waiting, found, approved=True, reason="by hand")
    assert client.get_registered_model("asked").aliases[CHAMPION] == int(other)
    promotion = client.get_run(waiting.run_id).data.tags[PROMOTION_TAG]
    assert promotion.startswith(f"stands without the alias: version {other} is the champion now; ")
    assert waiting_version(waiting) is None


def test_a_reason_is_one_line_of_a_length_without_credentials() -> None:
    assert as_reason("\u202eno") == r"\u202eno"
    assert as_reason("so\n## Model card") == r"so\n## Model card"
    assert "secret" not in as_reason("see https://ada:secret@mlflow.example")
    assert len(as_reason("x" * 9_000)) == LONGEST_REASON


def test_the_form_has_figures_report_and_both_samples_in_which_nothing_is_markup(store: Params) -> None:
    client = MlflowClient(tracking_uri=str(store.tracking.uri))
    runs = [start_run(store, f"run {number}", {}) for number in range(2)]
    client.create_registered_model("on a form")
    for run, sample in zip(runs, ("ROMEO:\nO\u202e", "<b>a|b</b> `c`\n\x1b[2J" + "x" * 30), strict=True):
        client.log_text(run.run_id, f'{{"columns": ["text"], "data": [[{json.dumps(sample)}]]}}', SAMPLES_FILE)
        client.create_model_version("on a form", f"file://{run.checkpoints}", run_id=run.run_id)
    waiting = Waiting("on a form", "2", "1", "1.2 against 1.3 nats")
    assert "There is no report." in question(runs[1], waiting, "http://host")
    client.log_text(runs[1].run_id, "<html>", "report/report.html")
    shown = question(runs[1], waiting, "http://me:hunter2@host")
    assert "hunter2" not in shown
    assert "1.2 against 1.3 nats" in shown
    assert f"/runs/{runs[1].run_id}/artifacts/report/report.html" in shown
    rows = shown.splitlines()[shown.splitlines().index("| --- | --- |") :]
    assert rows[1:] == [
        "| `<b>a¦b</b> \N{MODIFIER LETTER GRAVE ACCENT}c\N{MODIFIER LETTER GRAVE ACCENT}` | `ROMEO:` |",
        "| `\\x1b[2Jxxxxxxxxxxxxxxxxxxx` | `O\N{REPLACEMENT CHARACTER}` |",
        "| `xxxxxxxxxxx` |  |",
    ]


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_line_is_no_code(text: str) -> None:
    assert code(text) == ""
