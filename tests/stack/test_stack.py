"""The team's stack, without containers: PostgreSQL, an MLflow server, a Prefect server and workers, all real.

Needs PostgreSQL's programs; `make test-stack` runs it. The tests go through the life of one stack, in order.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import httpx
import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings

from charrnn.config.loading import PROJECT
from charrnn.training.checkpoint import load_checkpoint
from tests.receiver import receiving
from tests.texts import made_up_play

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(shutil.which("postgres") or "/nowhere").parent]
POSTGRES = PROGRAMS[-1]
BIN = Path(sys.executable).parent

pytestmark = [
    pytest.mark.skipif(not (POSTGRES / "initdb").exists(), reason="has no PostgreSQL"),
    pytest.mark.timeout(900),
]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until(found: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return what `found` gives once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError):
            if value := found():
                return value
        time.sleep(0.5)
    pytest.fail(f"{what}: not within {seconds:.0f} s")


class Database:
    """PostgreSQL with a database each for MLflow and Prefect; it refuses to run as root."""

    def __init__(self) -> None:
        # Not in pytest's folders, which are closed to other users.
        self.data, self.port = Path(tempfile.mkdtemp(prefix="charrnn-postgres-")), free_port()
        self.user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        self.where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "charrnn")
        if self.user:
            shutil.chown(self.data, 65534, 65534)
        self._run("initdb", "-D", self.data, "-U", "charrnn", "--auth=trust", "-E", "UTF8", "--no-sync")
        self.start()
        for name in ("mlflow", "prefect"):
            self._run("createdb", *self.where, name)

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -c unix_socket_directories="
        self._run("pg_ctl", "-D", self.data, "-l", self.data / "log", "-o", options, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def back_up(self, folder: Path) -> None:
        for name in ("mlflow", "prefect"):
            with open(folder / f"{name}.dump", "wb") as dump:
                self._run("pg_dump", *self.where, "--format=custom", name, output=dump)

    def restore(self, folder: Path) -> None:
        """Into empty databases: what was there is gone."""
        for name in ("mlflow", "prefect"):
            self._run("dropdb", *self.where, name)
            self._run("createdb", *self.where, name)
            with open(folder / f"{name}.dump", "rb") as dump:
                self._run("pg_restore", *self.where, f"--dbname={name}", source=dump)

    def address(self, name: str, driver: str) -> str:
        return f"postgresql+{driver}://charrnn@127.0.0.1:{self.port}/{name}"

    def _run(
        self, program: str, *arguments: object, source: IO[bytes] | None = None, output: IO[bytes] | None = None
    ) -> None:
        command = [*self.user, str(POSTGRES / program), *map(str, arguments)]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, stdin=source or quiet, stdout=output or quiet, stderr=quiet, cwd="/")


class Stack:
    """Both servers on one PostgreSQL, some workers, and ways to use it all as a team would."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.database = folder, Database()
        self.prefect_port, self.mlflow_port, self.completions_port = free_port(), free_port(), free_port()
        self.prefect, self.mlflow = f"http://127.0.0.1:{self.prefect_port}", f"http://127.0.0.1:{self.mlflow_port}"
        self.server: subprocess.Popen[str] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self.start_servers()

    def start_servers(self) -> None:
        database = {"PREFECT_API_DATABASE_CONNECTION_URL": self.database.address("prefect", "asyncpg")}
        command = [sys.executable, str(PROJECT / "flows" / "server.py"), "--no-worker"]
        command += ["--directory", str(self.folder / "server"), "--store", self.database.address("mlflow", "psycopg2")]
        command += ["--prefect-port", str(self.prefect_port), "--mlflow-port", str(self.mlflow_port)]
        command += ["--completions-port", str(self.completions_port)]
        self.server = subprocess.Popen(
            command, env={**os.environ, **database}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.server.stdout is not None
        lines = [self.server.stdout.readline() for _ in range(5)]
        assert lines[-1] == "Ctrl-C stops everything.\n", lines

    def stop_servers(self) -> None:
        assert self.server is not None
        self.server.send_signal(signal.SIGINT)
        assert self.server.wait(120) == 130

    def start_worker(self) -> subprocess.Popen[bytes]:
        """As on another machine: it knows the addresses of the two servers."""
        environment = {
            **self.environment,
            "MLFLOW_TRACKING_URI": self.mlflow,
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }
        command = [str(BIN / "prefect"), "worker", "start", "--pool", "charrnn", "--type", "process", "--limit", "1"]
        with open(self.folder / f"worker {len(self.workers)}.log", "ab") as log:
            worker = subprocess.Popen(
                command, cwd=PROJECT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        self.stop_workers()
        self.stop_servers()
        self.database.stop()
        shutil.rmtree(self.database.data)

    def stop_workers(self) -> None:
        """Ask the workers to stop as `flows/server.py` does: one that does not in time is killed, its run with it."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(45)
            except subprocess.TimeoutExpired:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
        self.workers.clear()

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PREFECT_API_URL": f"{self.prefect}/api", "PREFECT_HOME": str(self.folder / "client")}

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.mlflow)

    def prefect_cli(self, *arguments: str) -> str:
        command = [str(BIN / "prefect"), "--no-prompt", *arguments]
        done = subprocess.run(command, cwd=PROJECT, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *overrides: str) -> str:
        """Start a smoke run of `pipeline/manual`; return the id of its flow run."""
        texts = [f"data.sources=['{self.folder}/a play.txt']", f"data.directory={self.folder}/data"]
        texts += ["report.seconds=0", *overrides]
        deployment = httpx.get(f"{self.prefect}/api/deployments/name/pipeline/manual").json()["id"]
        parameters = {"overlays": ["params/smoke.yaml"], "overrides": texts}
        made = httpx.post(
            f"{self.prefect}/api/deployments/{deployment}/create_flow_run", json={"parameters": parameters}
        )
        return str(made.json()["id"])

    def finished(self, *overrides: str) -> str:
        """Start a smoke run as `start` does; return the id of its flow run once it is done."""
        flow_run = self.start(*overrides)
        self.ends(flow_run, "COMPLETED")
        return flow_run

    def state(self, flow_run: str) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.prefect}/api/flow_runs/{flow_run}").json()["state"]
        return found

    def ends(self, flow_run: str, state: str, seconds: float = 180) -> None:
        terminal = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        end = until(lambda: (s := self.state(flow_run))["type"] in terminal and s, seconds, f"{flow_run} {state}")
        assert end["type"] == state, end

    def run_of(self, flow_run: str) -> Run | None:
        """Return the MLflow run that the flow run, or one that went on with it, has made."""
        found = self.client.search_experiments(filter_string="name = 'charrnn'")
        runs = self.client.search_runs([item.experiment_id for item in found]) if found else []
        return next((run for run in runs if run.data.tags.get("prefect.flow_run_id") == flow_run), None)

    def trains(self, flow_run: str) -> str:
        """Wait until the flow run has trained for a while; return the id of its MLflow run."""

        def at_work() -> str | None:
            run = self.run_of(flow_run)
            return run.info.run_id if run and run.data.metrics.get("train/epoch", 0) > 0 else None

        return str(until(at_work, 120, "the first step"))

    def heard_of(self, flow_run: str) -> bool:
        """Whether the server has got a heartbeat of the flow run."""
        events = {
            "event": {"name": ["prefect.flow-run.heartbeat"]},
            "resource": {"id": [f"prefect.flow-run.{flow_run}"]},
        }
        found = httpx.post(f"{self.prefect}/api/events/filter", json={"filter": events, "limit": 1})
        return bool(found.raise_for_status().json()["events"])

    def process(self, run_id: str) -> psutil.Process:
        return psutil.Process(int(self.client.get_run(run_id).data.tags["charrnn.pid"]))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("a stack")
    (folder / "a play.txt").write_text(made_up_play(60_000), encoding="utf-8")
    made = Stack(folder)
    try:
        for pool in ("charrnn", "charrnn-sweeps"):
            made.prefect_cli("work-pool", "create", pool, "--type", "process")
        made.prefect_cli("deploy", "--all")
        made.start_worker()
        yield made
    finally:
        made.close()


# By time: how many steps a machine makes while other tests run on it, nobody knows.
LONG = (
    "training.max_steps=null",
    "training.max_minutes=0.5",
    "checkpoint.every_seconds=2",
    "evaluation.every_steps=2000",
)


def steps(stack: Stack, run_id: str) -> list[int]:
    return [row.step for row in stack.client.get_metric_history(run_id, "train/loss")]


def check_whole(stack: Stack, run_id: str, minutes: float = 0.5) -> None:
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
    with receiving() as receiver:
        with temporary_settings({PREFECT_API_URL: f"{stack.prefect}/api"}):
            Secret(value=f"json://127.0.0.1:{receiver.port}").save("charrnn-notify", overwrite=True)
        run = stack.run_of(stack.finished("tracking.registered_model=told"))
        assert run is not None
        (message,) = until(lambda: receiver.posted, 60, "the message")
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
        deployment = httpx.get(f"{stack.prefect}/api/deployments/name/pipeline/trial").json()["id"]
        wanted = {"deployments": {"id": {"any_": [deployment]}}}
        return list(httpx.post(f"{stack.prefect}/api/flow_runs/filter", json=wanted).raise_for_status().json())

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
    deployment = httpx.get(f"{stack.prefect}/api/deployments/name/pipeline/manual").json()["id"]
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
    with scheduled(stack, 30, "schedule"):
        assert until(lambda: finished_by(stack, "schedule"), 180, "the scheduled run")


def test_a_schedule_that_passed_while_nobody_was_there_is_made_up_for_by_one_run(stack: Stack) -> None:
    stack.stop_workers()
    with scheduled(stack, 20, "the past") as deployment:

        def flow_runs(state: str) -> list[dict[str, Any]]:
            filters = {"deployment_id": {"any_": [deployment]}, "state": {"type": {"any_": [state]}}}
            filters["expected_start_time"] = {"before_": datetime.now(UTC).isoformat()}
            found = httpx.post(f"{stack.prefect}/api/flow_runs/filter", json={"flow_runs": filters}).json()
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
    asked = httpx.post(f"{stack.prefect}/api/flow_runs/filter", json={"limit": 200}).json()
    (recovered,) = (one for one in asked if one["parameters"].get("resume") == flow_run)
    stack.ends(recovered["id"], "COMPLETED")
    assert stack.state(recovered["id"])["message"] == f"nothing to recover: flow run {flow_run} was cancelled"


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


def test_a_run_whose_machine_goes_away_is_done_by_another_worker(stack: Stack) -> None:
    (first,) = stack.workers
    text = (PROJECT / "deploy" / "automations.yaml").read_text()
    soon = stack.folder / "automations.yaml"
    # Two heartbeats missed are enough here.
    soon.write_text(text.replace("within: 300", "within: 70"))
    stack.prefect_cli("automation", "create", "--from-file", str(soon))
    flow_run = stack.start(*LONG, "training.max_minutes=1.5")
    run_id = stack.trains(flow_run)
    until(lambda: stack.heard_of(flow_run), 60, "the first heartbeat")
    for process in (*psutil.Process(first.pid).children(recursive=True), psutil.Process(first.pid)):
        process.kill()
    first.wait()
    stack.workers.clear()
    stack.start_worker()
    stack.ends(flow_run, "CRASHED", 240)
    until(lambda: stack.client.get_run(run_id).info.status == "FINISHED", 300, "the recovered run")
    check_whole(stack, run_id, minutes=1.5)


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
