"""Which flow runs go on by themselves, on a real Prefect server, and how often."""

import shutil
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import State, StateType
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import AwaitingRetry, Cancelling, Completed, Crashed, Pending, Running

from charrnn.config.schema import Params, TaskParams
from charrnn.errors import ParamsError, TrackingError
from flows.deployed import recovery
from flows.deployed.recovery import (
    NOT_BEGUN,
    Crash,
    check_again,
    count_recovery,
    nothing_to_recover,
    read_crashed,
    recover_missed,
    taken_over,
)
from tasks.tracking.mlflow import Experiment, run_tag
from tasks.tracking.runs import BYTES_TAG, CORPUS_TAG, DATA_TAG, FLOW_RUN_TAG, RECOVERIES_TAG, SPLIT_TAG
from tasks.tracking.tracker import Tracker
from tests.texts import made_up_play
from tests.workplace import SMOKE, Workplace, call, start_run


@flow(name="pipeline")
def pipeline(
    resume: str = "", overlays: tuple[str, ...] = (), overrides: tuple[str, ...] = (), init_from: str = ""
) -> None:
    """A flow of that name."""


def flow_run_that_was(*states: State[Any], **parameters: Any) -> str:
    with get_client(sync_client=True) as client:
        made = client.create_flow_run(pipeline, parameters=parameters)
        for state in states:
            client.set_flow_run_state(made.id, state, force=True)
    return str(made.id)


@pytest.mark.usefixtures("api_url")
def test_one_that_crashed_goes_on_as_it_was_asked_for() -> None:
    flow_run = flow_run_that_was(Running(), Crashed(), overlays=["params/smoke.yaml"], overrides=["training.seed=7"])
    assert read_crashed(flow_run) == Crash((flow_run,), ["params/smoke.yaml"], ["training.seed=7"], None, None)


@pytest.mark.usefixtures("api_url")
def test_one_that_crashed_while_it_went_on_with_another_is_the_same_again() -> None:
    first = flow_run_that_was(Crashed(), overrides=["training.seed=7"], resume="a" * 32)
    second = flow_run_that_was(Crashed(), resume=first)
    third = flow_run_that_was(Crashed(), resume=second)
    crashed = read_crashed(third)
    assert crashed == Crash((third, second, first), [], ["training.seed=7"], "a" * 32, None)
    check_again(crashed, TaskParams(recoveries=3))
    with pytest.raises(ParamsError, match=rf"flow run {first}: its process died .* tasks\.recoveries 2; .* by hand"):
        check_again(crashed, TaskParams(recoveries=2))


@pytest.mark.usefixtures("api_url")
def test_one_that_a_person_cancelled_does_not() -> None:
    flow_run = flow_run_that_was(Running(), Cancelling(), Crashed())
    with pytest.raises(ParamsError, match=f"flow run {flow_run}: was cancelled"):
        read_crashed(flow_run)
    with pytest.raises(ParamsError, match=f"flow run {flow_run}: was cancelled"):
        read_crashed(again := flow_run_that_was(Crashed(), resume=flow_run))
    recovery = flow_run_that_was(Running())
    cancelled = f"flow run {flow_run} was cancelled"
    assert nothing_to_recover(flow_run, recovery) == nothing_to_recover(again, recovery) == cancelled


@pytest.mark.usefixtures("api_url")
def test_one_that_a_person_tries_again_or_that_was_not_dead_goes_on_by_itself() -> None:
    recovery = flow_run_that_was(Running())
    assert nothing_to_recover(flow_run_that_was(Running(), Crashed()), recovery) == ""
    again: list[list[State[Any]]] = [[AwaitingRetry()], [AwaitingRetry(), Running()], [Completed()]]
    for states in again:
        flow_run = flow_run_that_was(Pending(), Crashed(), *states)
        assert nothing_to_recover(flow_run, recovery) == f"flow run {flow_run} is {states[-1].name}"


@pytest.mark.usefixtures("api_url")
@pytest.mark.parametrize("late", [False, True])
def test_of_one_that_begins_after_its_crash_and_its_recovery_the_first_to_begin_trains(late: bool) -> None:
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(pipeline)
        deployment = client.create_deployment(flow_id, "recover")
        crashed = flow_run_that_was(Pending(), Crashed())
        recovery = str(client.create_flow_run_from_deployment(deployment, parameters={"resume": crashed}).id)
        for one in (recovery, crashed) if late else (crashed, recovery):
            client.set_flow_run_state(UUID(one), Running(), force=True)
        ends: list[State[Any] | None] = [None, Completed()]
        for state in ends:  # whichever of the two asks first, and ends because of it
            if state is not None:
                client.set_flow_run_state(UUID(crashed), state, force=True)
            yields = taken_over(crashed), nothing_to_recover(crashed, recovery)
            name = "Completed" if state else "Running"
            assert yields == ((recovery, "") if late else ("", f"flow run {crashed} is {name}"))


@pytest.mark.usefixtures("api_url")
def test_one_that_was_to_go_on_with_the_last_run_of_its_day_does_not() -> None:
    crashed = read_crashed(flow_run_that_was(Crashed(), resume="last"))
    with pytest.raises(ParamsError, match="last run of that day; give the run's id"):
        check_again(crashed, TaskParams())


@pytest.mark.usefixtures("api_url")
def test_one_of_which_it_is_not_known_what_was_asked_for_does_not() -> None:
    first = flow_run_that_was(Crashed(), overrides=["training.seed=7"])
    second = flow_run_that_was(Crashed(), resume=first)
    with get_client(sync_client=True) as client:
        client.delete_flow_run(UUID(first))
    crashed = read_crashed(second)
    with pytest.raises(ParamsError, match=f"was to go on with flow run {first}, which Prefect has not"):
        check_again(crashed, TaskParams())


@pytest.mark.usefixtures("api_url")
def test_one_that_is_not_there_does_not() -> None:
    with pytest.raises(ParamsError, match="Prefect has none of that id"):
        read_crashed(str(uuid4()))


@pytest.mark.usefixtures("api_url")
def test_a_crash_that_the_server_did_not_hear_of_is_recovered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "MISSED_AFTER", timedelta(0))
    assert recover_missed() == 0  # without the deployment
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(pipeline)
        recover, nightly, trial = (client.create_deployment(flow_id, name) for name in ("recover", "nightly", "trial"))

        def crashed(deployment: UUID, *before: State[Any]) -> str:
            made = client.create_flow_run_from_deployment(deployment)
            for state in (*before, Crashed()):
                client.set_flow_run_state(made.id, state, force=True)
            return str(made.id)

        missed, heard, _, of_a_sweep = (
            crashed(nightly),
            crashed(nightly),
            crashed(nightly, Cancelling()),
            crashed(trial),
        )
        for resume in (heard, of_a_sweep):
            client.create_flow_run_from_deployment(recover, parameters={"resume": resume})
        again = client.create_flow_run_from_deployment(recover, parameters={"resume": of_a_sweep}).id
        client.set_flow_run_state(again, Crashed())  # the sweep has another one by now
        crashed(trial)
        assert recover_missed() == 1
        assert recover_missed() == 0
        asked = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[recover]))
        )
        resumed = [run.parameters["resume"] for run in asked]
        assert [resumed.count(one) for one in (missed, heard, of_a_sweep)] == [1, 1, 2]

        taken = client.create_flow_run_from_deployment(nightly, state=Pending()).id
        assert recover_missed() == 0
        assert client.read_flow_run(taken).state_type is StateType.PENDING  # it may yet begin
        monkeypatch.setattr(recovery, "BEGINS_WITHIN", timedelta(0))
        recover_missed()
        state = client.read_flow_run(taken).state
    assert state is not None
    assert (state.type, state.message) == (StateType.CRASHED, NOT_BEGUN)


def test_a_server_that_is_away_is_not_waited_for_where_the_next_run_asks_again() -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
        assert recover_missed() == 0


def test_one_that_crashed_before_it_had_come_to_a_run_begins_again(workplace: Workplace) -> None:
    first = flow_run_that_was(
        Crashed(), overlays=[str(SMOKE)], overrides=[*workplace.overrides, "training.max_steps=2"]
    )
    answer = call("--resume", flow_run_that_was(Crashed(), resume=first), "--quiet")
    assert answer.code == 0, answer.err
    (run_id,) = workplace.runs()
    assert answer.out == f"{run_id}\n"
    assert workplace.client.get_run(run_id).data.params["training.max_steps"] == "2"
    assert call("--resume", first, "--quiet").out == answer.out  # done once, whoever asks
    assert workplace.runs() == [run_id]

    # What it was to start from is part of that, and so are the parameters of what it was to go on with.
    longer = [*workplace.overrides, "training.max_steps=4"]
    warm = flow_run_that_was(Crashed(), overlays=[str(SMOKE)], overrides=longer, init_from=run_id)
    answer = call("--resume", warm, "--quiet")
    assert answer.code == 0, answer.err
    made = workplace.client.get_run(answer.out.strip()).data
    assert (made.params["training.max_steps"], made.tags["charrnn.parent_run_id"]) == ("4", run_id)
    on = flow_run_that_was(Crashed(), overlays=[str(SMOKE)], overrides=longer, resume=run_id)
    assert call("--resume", on, "--quiet").out == f"{run_id}\n"
    assert len(workplace.client.get_metric_history(run_id, "train/loss")) == 4


def test_one_that_a_person_has_gone_on_with_does_not_begin_again(workplace: Workplace) -> None:
    assert call(*workplace.options, "--set", "training.max_steps=2").code == 0
    (run_id,) = workplace.runs()
    flow_run = workplace.client.get_run(run_id).data.tags[FLOW_RUN_TAG]
    again = [*workplace.options, "--set", "training.max_steps=2", "--resume"]
    assert call(*again, run_id).code == 0
    assert workplace.client.get_run(run_id).data.tags[FLOW_RUN_TAG] != flow_run
    assert call(*again, flow_run).code == 0
    assert workplace.runs() == [run_id]


@pytest.mark.parametrize("away", [False, True])
def test_one_whose_text_has_changed_or_is_away_goes_on_with_the_text_it_began_with(
    workplace: Workplace, away: bool
) -> None:
    assert call(*workplace.options, "--set", "training.max_steps=5").code == 0
    (run_id,) = workplace.runs()
    before = workplace.client.get_run(run_id).data.tags
    workplace.text.write_text(made_up_play(70_000, seed=1), encoding="utf-8")
    again = [*workplace.options, "--set", "training.max_steps=10", "--resume"]
    answer = call(*again, run_id)  # a person is asked what is meant
    assert (answer.code, "was trained on another text" in answer.err) == (2, True)
    if away:
        workplace.text.unlink()
    answer = call(*again, before[FLOW_RUN_TAG])
    assert answer.code == 0, answer.err
    assert f"run {run_id} goes on with the text it began with" in answer.err
    assert workplace.runs() == [run_id]
    after = workplace.client.get_run(run_id).data
    assert [row.step for row in workplace.client.get_metric_history(run_id, "train/loss")] == list(range(1, 11))
    for tag in (CORPUS_TAG, BYTES_TAG, DATA_TAG, SPLIT_TAG):
        assert after.tags[tag] == before[tag]
    shutil.rmtree(workplace.data_folder / "encoded")
    problem = "no source of text answers" if away else "was trained on another text"
    assert problem in call(*again, after.tags[FLOW_RUN_TAG]).err


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
