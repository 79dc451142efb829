"""The team's stack, without containers: PostgreSQL, an MLflow server, a Prefect server and workers, all real.

Needs PostgreSQL's programs; `make test-stack` runs it. The tests go through the life of one stack, in order.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import psutil
import pytest
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings

from charrnn.config.loading import PROJECT
from charrnn.training.checkpoint import load_checkpoint
from flows.deployed.recovery import NOT_BEGUN
from tasks.tracking.runs import FLOW_RUNS_TAG
from tests.ports import free_port
from tests.receiver import receiving
from tests.stack.database import POSTGRES
from tests.stack.stack import BIN, Stack, until
from tests.texts import made_up_play

pytestmark = [
    pytest.mark.skipif(not (POSTGRES / "initdb").exists(), reason="has no PostgreSQL"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("a stack")
    (folder / "a play.txt").write_text(made_up_play(60_000), encoding="utf-8")
    made = Stack(folder)
    try:
        made.deploy()
        made.start_worker()
        made.start_messenger()
        yield made
    finally:
        made.close()


# By time: how many steps a machine makes while other tests run on it, nobody knows.
LONG = (
    "training.max_steps=null",
    "training.max_minutes=0.25",
    "checkpoint.every_seconds=2",
    "evaluation.every_steps=2000",
)


def steps(stack: Stack, run_id: str) -> list[int]:
    return [row.step for row in stack.client.get_metric_history(run_id, "train/loss")]


def check_whole(stack: Stack, run_id: str, minutes: float = 0.25) -> None:
    """Check that the run trained for all of its time, and logged each of its steps once and in order."""
    last = load_checkpoint(stack.folder / "data" / "checkpoints" / run_id / "last.ckpt")
    assert last.state["progress"]["elapsed"] >= 60 * minutes
    assert steps(stack, run_id) == list(range(1, last.step + 1))


def test_a_run_that_is_asked_for_is_done_by_the_worker(stack: Stack) -> None:
    flow_run = stack.start()
    stack.ends(flow_run, "COMPLETED")
    run = stack.run_of(flow_run)
    assert run is not None
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert {"best.ckpt", "last.ckpt"} <= {
        item.path.rpartition("/")[2] for item in stack.client.list_artifacts(run.info.run_id, "checkpoints")
    }
    assert stack.client.get_model_version_by_alias("charrnn", "champion").run_id == run.info.run_id


def test_a_promotion_is_sent_to_the_address_in_the_secret_block(stack: Stack) -> None:
    with receiving() as receiver, temporary_settings({PREFECT_API_URL: f"{stack.prefect}/api"}):
        Secret(value=f"json://127.0.0.1:{receiver.port}").save("charrnn-notify")
        run = stack.run_of(stack.finished("tracking.registered_model=told"))
        assert run is not None
        (message,) = until(lambda: [one for one in receiver.posted if "told" in one["message"]], 60, "the message")
        Block.delete("secret/charrnn-notify")
    page = f"{stack.mlflow}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    assert message["title"] == "charrnn.promoted"
    assert message["message"].startswith("told version 1 is the champion. champion: the first one\n" + page)


def test_wrong_parameters_are_the_states_message_and_make_no_run(stack: Stack) -> None:
    flow_run = stack.start("training.learnin_rate=1")
    stack.ends(flow_run, "FAILED")
    assert "training.learnin_rate: unknown parameter; did you mean" in stack.state(flow_run)["message"]
    assert stack.run_of(flow_run) is None


def test_a_sweep_that_is_killed_finds_the_trials_that_workers_run_meanwhile(stack: Stack) -> None:
    space = stack.folder / "space.yaml"
    space.write_text("model.hidden_size: [16, 24, 32]\n", encoding="utf-8")
    smoke = ["--params", str(PROJECT / "params" / "smoke.yaml"), "--set", f"data.sources=['{stack.folder}/a play.txt']"]
    where = ["--set", f"data.directory={stack.folder}/data"]
    script = [sys.executable, str(PROJECT / "flows" / "sweep.py"), *where]
    environment = {**stack.environment, "MLFLOW_TRACKING_URI": stack.mlflow}

    def asked_for() -> list[dict[str, Any]]:
        return stack.flow_runs({"deployments": {"id": {"any_": [stack.deployment("pipeline/trial")]}}})

    with subprocess.Popen([*script, *smoke, "--space", str(space), "--trials", "2"], env=environment) as sweep:
        until(asked_for, 120, "a trial")
        sweep.kill()
    done = subprocess.run([*script, "--resume", "last"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "trials      2 trials (2 finished)" in done.stdout
    assert [run["state"]["type"] for run in asked_for()] == ["COMPLETED"] * 2
    runs = [run for run in map(stack.run_of, [run["id"] for run in asked_for()]) if run is not None]
    assert {run.data.tags["charrnn.trial"] for run in runs} == {"0", "1"}
    assert len({run.data.tags["mlflow.parentRunId"] for run in runs}) == 1


@contextlib.contextmanager
def scheduled(stack: Stack, seconds: int, name: str) -> Iterator[str]:
    """Let `pipeline/manual` run by itself every so often while the block does; gives the id of the deployment."""
    deployment = stack.deployment("pipeline/manual")
    address = f"{stack.prefect}/api/deployments/{deployment}/schedules"
    texts = [f"data.sources=['{stack.folder}/a play.txt']", f"data.directory={stack.folder}/data"]
    schedule = {
        "schedule": {"interval": seconds, "anchor_date": "2026-01-01T00:00:00Z"},
        "parameters": {"overlays": ["params/smoke.yaml"], "overrides": [*texts, f"tracking.tags={{by: {name}}}"]},
        "active": True,
    }
    made = httpx.post(address, json=[schedule])
    made.raise_for_status()
    try:
        yield deployment
    finally:
        httpx.delete(f"{address}/{made.json()[0]['id']}").raise_for_status()


def finished_by(stack: Stack, name: str) -> list[str]:
    found = stack.client.search_experiments(filter_string="name = 'charrnn'")
    runs = stack.client.search_runs([item.experiment_id for item in found], f"tags.by = '{name}'")
    return [run.info.run_id for run in runs if run.info.status == "FINISHED"]


def test_a_schedule_starts_a_run_by_itself(stack: Stack) -> None:
    with scheduled(stack, 20, "schedule"):
        assert until(lambda: finished_by(stack, "schedule"), 180, "the scheduled run")


def test_a_schedule_that_passed_while_nobody_was_there_is_made_up_for_by_one_run(stack: Stack) -> None:
    stack.stop_workers()
    with scheduled(stack, 10, "the past") as deployment:

        def flow_runs(state: str) -> list[dict[str, Any]]:
            filters = {"deployment_id": {"any_": [deployment]}, "state": {"type": {"any_": [state]}}}
            filters["expected_start_time"] = {"before_": datetime.now(UTC).isoformat()}
            found = stack.flow_runs({"flow_runs": filters})
            return [run for run in found if run["auto_scheduled"] and "by: the past" in str(run["parameters"])]

        until(lambda: len(flow_runs("SCHEDULED")) >= 3, 120, "three late runs")
        stack.start_worker()
        until(lambda: finished_by(stack, "the past"), 180, "the late run")
        late = [run["state"]["message"] for run in flow_runs("CANCELLED")]
    assert len(late) >= 2
    assert all(message.startswith("late; flow run ") for message in late)


def test_a_cancelled_run_is_killed_with_a_checkpoint_and_does_not_go_on(stack: Stack) -> None:
    flow_run = stack.start("training.max_steps=100000")
    run_id = stack.trains(flow_run)
    stack.prefect_cli("flow-run", "cancel", flow_run)
    # Crashed in between: that is what Prefect calls a process that ends on a signal.
    until(lambda: stack.state(flow_run)["type"] == "CANCELLED", 120, "CANCELLED")
    until(lambda: stack.client.get_run(run_id).info.status == "KILLED", 30, "KILLED")
    before = steps(stack, run_id)
    time.sleep(20)
    assert steps(stack, run_id) == before
    assert stack.client.get_run(run_id).info.status == "KILLED"
    (recovered,) = until(lambda: recoveries(stack, flow_run, "COMPLETED"), 180, "the answer to the crash")
    assert recovered["state"]["message"] == f"nothing to recover: flow run {flow_run} was cancelled"


def test_a_run_whose_process_dies_goes_on_from_its_checkpoint(stack: Stack) -> None:
    flow_run = stack.start(*LONG)
    run_id = stack.trains(flow_run)
    time.sleep(4)
    stack.process(run_id).kill()
    stack.ends(flow_run, "CRASHED")
    until(lambda: stack.client.get_run(run_id).info.status == "FINISHED", 240, "the recovered run")
    check_whole(stack, run_id)
    assert stack.client.get_run(run_id).data.tags["charrnn.recoveries"] == "1"


def test_a_run_and_a_question_to_a_person_outlive_a_restart_of_both_servers(stack: Stack) -> None:
    asks = stack.start("tracking.promotion=approval", "tracking.registered_model=asked", "training.max_steps=20")
    until(lambda: stack.state(asks)["name"] == "Suspended", 180, "the question")
    flow_run = stack.start(*LONG)  # no worker waits with the one that asks
    run_id = stack.trains(flow_run)
    stack.stop_servers()
    stack.start_servers()
    stack.ends(flow_run, "COMPLETED", 300)
    assert stack.client.get_run(run_id).info.status == "FINISHED"
    check_whole(stack, run_id)

    stack.stop_workers()
    stack.start_worker()
    assert not stack.client.get_registered_model("asked").aliases
    answer = {"approve": True, "reason": "it rhymes"}
    httpx.post(f"{stack.prefect}/api/flow_runs/{asks}/resume", json={"run_input": answer}).raise_for_status()
    stack.ends(asks, "COMPLETED")
    champion = stack.client.get_model_version_by_alias("asked", "champion")
    assert champion.description == "champion: approved in Prefect: it rhymes; the first one"
    run = stack.run_of(asks)
    assert run is not None
    assert (run.info.run_id, run.info.status) == (champion.run_id, "FINISHED")


def test_a_question_that_nobody_answers_leaves_the_champion_when_its_time_is_over(stack: Stack) -> None:
    named = "tracking.registered_model=unanswered"
    first = stack.run_of(stack.finished(named, "training.max_steps=1"))
    assert first is not None
    asking = ("tracking.promotion=approval", "tracking.approval_hours=0.001")  # 3.6 seconds
    flow_run = stack.start(named, *asking, "training.max_steps=100")  # far better than the champion
    stack.ends(flow_run, "FAILED")
    assert stack.state(flow_run)["message"] == "The flow was paused and never resumed."
    run = stack.run_of(flow_run)
    assert run is not None
    assert "waits for approval" in run.data.tags["promotion"]
    assert run.info.status == "FINISHED"
    assert stack.client.get_model_version_by_alias("unanswered", "champion").run_id == first.info.run_id


def test_a_run_outlives_a_restart_of_the_database(stack: Stack) -> None:
    flow_run = stack.start(*LONG)
    run_id = stack.trains(flow_run)
    stack.database.stop()
    time.sleep(5)
    stack.database.start()
    stack.ends(flow_run, "COMPLETED", 300)
    assert stack.client.get_run(run_id).info.status == "FINISHED"
    check_whole(stack, run_id)


def recoveries(stack: Stack, flow_run: str, state: str) -> list[dict[str, Any]]:
    """Return what went on with a flow run, and is in the state now."""
    found = stack.flow_runs({"flow_runs": {"state": {"type": {"any_": [state]}}}})
    return [one for one in found if one["parameters"].get("resume") == flow_run]


def test_runs_whose_machine_goes_away_while_or_before_they_train_are_done_by_another_worker(stack: Stack) -> None:
    (first,) = stack.workers
    stack.expect_soon()
    # By a worker that dies then, and by a process that dies before its first heartbeat.
    taken = {state: stack.take(state, "training.max_steps=20") for state in ("PENDING", "RUNNING")}
    flow_run = stack.start(*LONG, "training.max_minutes=0.8")
    run_id = stack.trains(flow_run)
    until(lambda: stack.heard_of(flow_run), 60, "the first heartbeat")
    for process in (*psutil.Process(first.pid).children(recursive=True), psutil.Process(first.pid)):
        process.kill()
    first.wait()
    stack.workers.clear()
    stack.start_worker()
    stack.ends(flow_run, "CRASHED", 240)
    until(lambda: stack.client.get_run(run_id).info.status == "FINISHED", 300, "the recovered run")
    check_whole(stack, run_id, minutes=0.8)
    for state, message in (("PENDING", NOT_BEGUN), ("RUNNING", "No heartbeat for five minutes.")):
        one = taken[state]
        (recovery,) = until(lambda one=one: recoveries(stack, one, "COMPLETED"), 240, f"the one that was {state}")  # type: ignore[misc]  # mypy takes it for a lambda without arguments
        assert stack.state(one)["message"] == message
        run = stack.run_of(one)
        assert run is not None
        assert run.info.status == "FINISHED"
        assert run.data.tags[FLOW_RUNS_TAG] == f"{one} {recovery['id']}"


def test_the_champion_is_served_over_http(stack: Stack) -> None:
    port = free_port()
    command = [str(BIN / "mlflow"), "models", "serve", "-m", "models:/charrnn@champion", "--env-manager", "local"]
    # As in an environment that is activated: MLflow looks for uvicorn on the path.
    environment = {**os.environ, "MLFLOW_TRACKING_URI": stack.mlflow, "PATH": f"{BIN}:{os.environ['PATH']}"}
    with open(stack.folder / "serve.log", "w") as log:
        server = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(port)],
            env=environment,
            cwd=stack.folder,  # away from this project
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: httpx.get(f"{address}/ping").is_success, 120, "the model server")
        rows = [{"prime": "QUEEN:", "length": 40, "seed": 1}, {"prime": "", "length": 40, "seed": 2}]
        answer = httpx.post(f"{address}/invocations", json={"dataframe_records": rows}, timeout=60)
        assert answer.status_code == 200, answer.text
        assert [len(row["text"]) for row in answer.json()["predictions"]] == [40, 40]
        # A row may lack what others have.
        rows = [{"prime": "a", "seed": 1, "length": 40}, {"prime": "b", "length": None}]
        answer = httpx.post(f"{address}/invocations", json={"dataframe_records": rows}, timeout=60)
        assert answer.status_code == 200, answer.text
        assert [len(row["text"]) for row in answer.json()["predictions"]] == [40, 1000]
        for wrong, reason in (
            ({"dataframe_records": [{"prime": "a", "length": -1}]}, "length"),
            ({"dataframe_records": [{"prime": 3}]}, "prime"),
            ({"dataframe_records": [{"prime": "a", "lenght": 3}]}, "lenght"),
            ({"nothing": []}, "dataframe_records"),
        ):
            refused = httpx.post(f"{address}/invocations", json=wrong, timeout=60)
            assert 400 <= refused.status_code < 500, (wrong, refused.text)
            assert reason in json.dumps(refused.json())
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def test_a_backup_brings_everything_back(stack: Stack) -> None:
    backup, artifacts = stack.folder / "backup", stack.folder / "server" / "artifacts"
    backup.mkdir()
    champion = stack.client.get_model_version_by_alias("charrnn", "champion")
    losses = steps(stack, str(champion.run_id))
    stack.database.back_up(backup)
    shutil.copytree(artifacts, backup / "artifacts")
    stack.stop_servers()
    shutil.rmtree(artifacts)
    stack.database.restore(backup)
    shutil.copytree(backup / "artifacts", artifacts)
    stack.start_servers()
    assert stack.client.get_model_version_by_alias("charrnn", "champion").version == champion.version
    assert steps(stack, str(champion.run_id)) == losses
    flow_run = stack.start(f"data.directory={stack.folder}/data of the backup")
    stack.ends(flow_run, "COMPLETED")
    run = stack.run_of(flow_run)
    assert run is not None
    assert run.data.tags["promotion"].startswith("stays behind version ")
