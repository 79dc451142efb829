"""A tracking store that goes away, answers too late or is locked: the run goes on, and in the end the store has all."""

import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from charrnn.config.loading import load_params
from charrnn.errors import TrackingError
from charrnn.training.checkpoint import load_checkpoint
from charrnn.training.events import CheckpointDue, TrainEvent
from charrnn.training.rollback import train_with_rollback
from tasks.tracking.mlflow import Store, download_model, reopen_run
from tasks.tracking.mlflow.store import StoreError
from tasks.tracking.outbox.queue import Outbox
from tasks.tracking.runs import RunRef
from tasks.tracking.tracker import Tracker, send_pending
from tests.faults.ledger import FACTOR
from tests.faults.tracking_server import IDLE, Behaviour, Server, Way
from tests.recorded import dataset_inputs, model_outputs
from tests.texts import made_up_play
from tests.workplace import Workplace, call, call_sync, start_run

DETERMINISTIC = {
    *("train/loss", "train/grad_norm", "train/learning_rate", "train/epoch", "val/loss"),
    *("best/loss", "best/5gram_loss", "test/loss", "test/accuracy"),
}


@pytest.fixture(scope="module")
def any_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("tracking server"))
    yield server
    server.kill()


@pytest.fixture
def server(any_server: Server) -> Server:
    """The module's server, up at the beginning of each test."""
    any_server.wait()
    return any_server


@pytest.fixture
def way(server: Server) -> Iterator[Way]:
    way = Way(server.port)
    thread = threading.Thread(target=way.serve_forever, daemon=True)
    thread.start()
    yield way
    way.released.set()
    way.shutdown()
    way.server_close()
    thread.join()


@pytest.fixture
def at_checkpoint(monkeypatch: pytest.MonkeyPatch) -> dict[int, Callable[[], None]]:
    """Step of a checkpoint (20, 40 and 60 in smoke runs) -> what happens just before it."""
    happens: dict[int, Callable[[], None]] = {}

    def train_events(*arguments: Any) -> Iterator[TrainEvent]:
        for event in train_with_rollback(*arguments):
            if isinstance(event, CheckpointDue) and event.step in happens:
                happens[event.step]()
            yield event

    monkeypatch.setattr("tasks.train.train_with_rollback", train_events)
    return happens


def artifacts(client: MlflowClient, run_id: str, folder: str | None = None) -> set[str]:
    found: set[str] = set()
    for item in client.list_artifacts(run_id, folder):
        found |= artifacts(client, run_id, item.path) if item.is_dir else {item.path}
    return found


def assert_same_run(client: MlflowClient, run_id: str, twin_id: str) -> None:
    """Everything a run has but its times is there, once, and as the undisturbed twin has it."""
    run, twin = client.get_run(run_id), client.get_run(twin_id)
    assert run.info.status == twin.info.status == "FINISHED"
    assert run.info.end_time >= run.info.start_time
    assert set(run.data.tags) == set(twin.data.tags)
    assert run.data.tags["mlflow.loggedArtifacts"] == twin.data.tags["mlflow.loggedArtifacts"]
    assert run.data.params == twin.data.params | {
        "data.directory": run.data.params["data.directory"],
        "tracking.uri": run.data.params["tracking.uri"],
    }
    assert artifacts(client, run_id) == artifacts(client, twin_id)
    assert len(dataset_inputs(run)) == len(dataset_inputs(twin)) == 3
    assert len(model_outputs(run)) == len(model_outputs(twin)) == 1
    assert len(client.search_model_versions(f"run_id = '{run_id}'")) == 1
    keys = {key for key in twin.data.metrics if not key.startswith("system/")}
    assert {key for key in run.data.metrics if not key.startswith("system/")} == keys
    for key in keys:
        rows, twins = (client.get_metric_history(one, key) for one in (run_id, twin_id))
        assert sorted(row.step for row in rows) == sorted(row.step for row in twins), key
        if key in DETERMINISTIC:
            assert {row.step: row.value for row in rows} == {row.step: row.value for row in twins}, key


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "a play.txt"
    path.write_text(made_up_play(20_000), encoding="utf-8")
    return path


@pytest.fixture
def at_server(workplace: Workplace, text: Path, server: Server) -> list[str]:
    """Options of a smoke run that is tracked by the server."""
    places = ["--set", f"data.sources=['{text}']", "--set", f"tracking.uri={server.uri}"]
    # Which of two equal runs is the champion hangs on which came first.
    return [*workplace.options, *places, "--no-promote"]


@pytest.fixture(scope="module")
def twins() -> dict[str, str]:
    return {}


@pytest.fixture
def twin(twins: dict[str, str], at_server: list[str]) -> str:
    """The id of an undisturbed run at the server; the first test that asks makes it."""
    if not twins:
        answer = call(*at_server, "--quiet")
        assert answer.code == 0, answer.err
        twins["id"] = answer.out.strip()
    return twins["id"]


def test_a_server_that_is_restarted_in_the_middle_of_a_run_leaves_no_trace(
    server: Server,
    twin: str,
    at_server: list[str],
    at_checkpoint: dict[int, Callable[[], None]],
    workplace: Workplace,
) -> None:
    at_checkpoint |= {20: server.kill, 40: server.start}
    answer = call(*at_server, "--quiet")
    assert answer.code == 0, answer.err
    run_id = answer.out.strip()
    assert_same_run(server.client, run_id, twin)
    last = load_checkpoint(Path(server.client.download_artifacts(run_id, "checkpoints/last.ckpt")))
    assert last.step == 60
    assert not (workplace.folder / "the data" / "outbox" / run_id).exists()


def test_a_run_ends_well_without_its_server_and_sync_sends_the_rest(
    server: Server,
    twin: str,
    at_server: list[str],
    at_checkpoint: dict[int, Callable[[], None]],
    workplace: Workplace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.tracking.tracker.END_SECONDS", 3.0)
    at_checkpoint |= {40: server.kill}
    answer = call(*at_server, "--quiet")
    assert answer.code == 0, answer.err
    run_id = answer.out.strip()
    outbox = workplace.folder / "the data" / "outbox" / run_id
    told, last = answer.err.splitlines()
    assert told.startswith(f"warning   tracking store {server.uri} does not answer (")
    assert "Connection refused" in told
    waiting = len(Outbox(outbox).pending())
    assert last.startswith(f"warning   {waiting} operations wait in {outbox}; send them with: charrnn sync")
    assert f"'data.directory={workplace.folder}/the data'" in last

    at_data = ["--set", f"data.directory={workplace.folder}/the data"]
    away = call_sync(*at_data)
    assert (away.code, away.out) == (1, "")
    assert away.err.startswith(f"error: run {run_id}: tracking.uri {server.uri}: ")
    assert f"{waiting} operations are kept in {outbox}" in away.err
    assert len(away.err.splitlines()) == 1

    server.wait()
    assert server.client.get_run(run_id).info.status == "RUNNING"
    sent = call_sync(*at_data)
    assert (sent.code, sent.out, sent.err) == (0, f"{run_id}  {waiting} operations sent to {server.uri}\n", "")
    assert_same_run(server.client, run_id, twin)
    assert not outbox.exists()
    assert call_sync(*at_data).out == f"nothing waits in {outbox.parent}\n"


def test_a_resumed_run_sends_first_what_it_could_not_tell_before(
    server: Server,
    twin: str,
    at_server: list[str],
    at_checkpoint: dict[int, Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop() -> None:
        server.kill()
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("flows.ending.STOP_SECONDS", 0.1)
    at_checkpoint |= {40: stop}
    stopped = call(*at_server, "--quiet")
    assert stopped.code == 130, stopped.err
    assert "operations wait in" in stopped.err.splitlines()[-1]
    at_checkpoint.clear()
    server.wait()
    resumed = call("--set", f"tracking.uri={server.uri}", "--resume", "last", "--quiet")
    assert resumed.code == 0, resumed.err
    assert_same_run(server.client, resumed.out.strip(), twin)


def lock(workplace: Workplace, seconds: float) -> None:
    """Keep everyone else out of the run's SQLite store for a while."""
    # A thread of its own: SQLite's connections stay with theirs.
    connection = sqlite3.connect(workplace.folder / "runs here" / "mlflow.db", check_same_thread=False)
    connection.execute("BEGIN EXCLUSIVE")
    threading.Timer(seconds, connection.close).start()


def test_a_locked_sqlite_store_is_waited_out(
    workplace: Workplace, at_checkpoint: dict[int, Callable[[], None]]
) -> None:
    at_checkpoint |= {20: lambda: lock(workplace, 4.0)}
    answer = call(*workplace.options, "--quiet")
    assert (answer.code, answer.err) == (0, ""), answer.err
    run = workplace.client.get_run(answer.out.strip())
    assert run.info.status == "FINISHED"
    losses = workplace.client.get_metric_history(run.info.run_id, "train/loss")
    assert sorted(row.step for row in losses) == list(range(1, 61))


@pytest.mark.skipif(FACTOR == 1, reason="takes half a minute: `make faults`")
def test_a_run_stopped_while_its_store_is_locked_is_killed_all_the_same(
    workplace: Workplace, at_checkpoint: dict[int, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow gives up on SQLite after 20 s; such a store is busy, not away, and patience is for one that is away."""

    def lock_and_stop() -> None:
        lock(workplace, 22.0)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("flows.ending.STOP_SECONDS", 0.1)
    at_checkpoint |= {20: lock_and_stop}
    answer = call(*workplace.options, "--quiet")
    assert answer.code == 143, answer.err
    assert "operations wait in" not in answer.err
    (run_id,) = workplace.runs()
    assert workplace.client.get_run(run_id).info.status == "KILLED"


@pytest.fixture
def run(way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRef:
    """A run at the server, by the way on which things go wrong."""
    monkeypatch.setattr("tasks.tracking.outbox.sender.FIRST_DELAY", 0.05)
    monkeypatch.setattr("tasks.tracking.outbox.sender.LONGEST_DELAY", 0.1)
    params = load_params([], [f"tracking.uri={way.uri}", "tracking.experiment=faults", f"data.directory={tmp_path}"])
    return start_run(params, "a run", {})


def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "best.ckpt"
    path.write_bytes(b"weights")
    return path


def report(tracker: Tracker, tmp_path: Path) -> None:
    """Report one thing of each kind."""
    tracker.params({"model.cell": "lstm"})
    for step in range(1, 1501):
        tracker.metric("train/loss", 1 / step, step)
    tracker.tags({"colour": "red"})
    tracker.rename("another name")
    tracker.text("some text", "notes/text.txt")
    tracker.table(pd.DataFrame({"a": [1, 2]}), "a table.json")
    tracker.file(checkpoint(tmp_path), "checkpoints")
    tracker.dataset(name="play", digest="abc", source="play.txt", profile={"characters": 3}, context="train")
    tracker.curves({"unigram": 3.0}, "curves.png")


def assert_reported(client: MlflowClient, run_id: str) -> None:
    run = client.get_run(run_id)
    assert run.data.params == {"model.cell": "lstm"}
    assert run.data.tags["colour"] == "red"
    assert run.data.tags["mlflow.loggedArtifacts"] == '[{"path": "a table.json", "type": "table"}]'
    assert run.info.run_name == "another name"
    rows = client.get_metric_history(run_id, "train/loss")
    assert sorted((row.step, row.value) for row in rows) == [(step, 1 / step) for step in range(1, 1501)]
    files = {"notes/text.txt", "a table.json", "checkpoints/best.ckpt", "curves.png"}
    assert artifacts(client, run_id) == files
    assert Path(client.download_artifacts(run_id, "checkpoints/best.ckpt")).read_bytes() == b"weights"
    assert [item.dataset.name for item in dataset_inputs(run)] == ["play"]


def test_answers_that_get_lost_duplicate_nothing(way: Way, run: RunRef, tmp_path: Path, server: Server) -> None:
    way.behaviour = "lose the first answer"
    tracker = Tracker(run)
    report(tracker, tmp_path)
    tracker.register("from faults", checkpoint(tmp_path), "0" * 64, ["torch"], {"prime": "a", "length": 3})
    assert tracker.finish("FINISHED") == 0
    lost = {path.rpartition("/")[2] for _, path, _ in way.lost}
    assert {"log-batch", "set-tag", "update", "log-inputs", "text.txt", "best.ckpt", "outputs", "create"} <= lost
    assert_reported(server.client, run.run_id)
    (version,) = server.client.search_model_versions("name = 'from faults'")
    assert version.run_id == run.run_id
    outputs = model_outputs(server.client.get_run(run.run_id))
    assert [f"models:/{output.model_id}" for output in outputs] == [version.source]
    assert server.client.get_run(run.run_id).info.status == "FINISHED"


def test_a_connection_that_the_server_closes_as_it_is_used_again_is_no_outage(
    way: Way, run: RunRef, tmp_path: Path, server: Server
) -> None:
    way.behaviour = "close what was idle"
    store, tracker = Store(way.uri), Tracker(run)

    time.sleep(2 * IDLE)
    made = tracker.register("idle", checkpoint(tmp_path), "0" * 64, ["torch"], {"prime": "a", "length": 3})
    assert (made.name, made.number) == ("idle", "1")
    for _ in range(2):  # with the connection of the one before
        time.sleep(2 * IDLE)
        assert store.ask(MlflowClient.get_run, run.run_id).info.run_id == run.run_id
    time.sleep(2 * IDLE)
    assert [path.name for path in download_model(store, "idle/1", tmp_path).rglob("*.ckpt")] == ["best.ckpt"]
    time.sleep(2 * IDLE)
    with pytest.raises(StoreError, match="Connection aborted"):
        store.ask_once(MlflowClient.get_run, run.run_id)
    assert tracker.finish("FINISHED") == 0
    assert server.client.get_run(run.run_id).info.status == "FINISHED"


def test_a_run_whose_making_is_not_answered_is_not_made_twice_and_one_that_goes_on_does(
    way: Way, run: RunRef, tmp_path: Path, server: Server
) -> None:
    way.behaviour = "lose the first answer"
    name = f"tracking.experiment=lost {tmp_path.name}"
    params = load_params([], [f"tracking.uri={way.uri}", name, f"data.directory={tmp_path}"])
    with pytest.raises(StoreError, match="Connection aborted"):
        start_run(params, "a run", {})
    experiment = server.client.get_experiment_by_name(params.tracking.experiment)
    assert experiment is not None
    assert len(server.client.search_runs([experiment.experiment_id])) == 1

    server.client.set_tag(run.run_id, "error", "it failed")
    server.client.set_terminated(run.run_id, "FAILED")
    reopen_run(run)
    found = server.client.get_run(run.run_id)
    assert (found.info.status, "error" in found.data.tags) == ("RUNNING", False)
    assert any("delete-tag" in path for _, path, _ in way.lost)


@pytest.mark.parametrize("behaviour", ["never answer", 429, 500, 502, 503])
def test_nobody_waits_for_a_server_that_is_not_well(
    way: Way, run: RunRef, tmp_path: Path, server: Server, behaviour: Behaviour
) -> None:
    way.behaviour, before = behaviour, way.requests
    tracker = Tracker(run)
    report(tracker, tmp_path)
    tracker.flush()
    assert len(Outbox(run.outbox).pending()) >= 9
    while way.requests == before:
        threading.Event().wait(0.01)
    way.behaviour = "pass on"
    way.released.set()
    assert tracker.wait() == 0
    assert_reported(server.client, run.run_id)


def test_what_the_server_refuses_is_an_error_but_not_lost(
    way: Way, run: RunRef, tmp_path: Path, server: Server
) -> None:
    tracker = Tracker(run)
    way.behaviour = 403
    tracker.text("some text", "a.txt")
    with pytest.raises(TrackingError, match=r"tracking\.uri http://127.*403"):
        tracker.wait()
    with pytest.raises(TrackingError, match="403"):
        tracker.text("more", "b.txt")
    way.behaviour = "pass on"
    tracker.finish("FAILED", "TrackingError: refused")
    assert server.client.get_run(run.run_id).info.status == "FAILED"
    assert artifacts(server.client, run.run_id) == set()
    Outbox(run.outbox).restore()
    assert send_pending(run) == 1
    assert artifacts(server.client, run.run_id) == {"a.txt"}
    assert not run.outbox.exists()


def test_two_senders_of_one_outbox_send_each_operation_once(way: Way, run: RunRef, server: Server) -> None:
    way.behaviour = 503
    tracker = Tracker(run)
    for step in range(1, 11):
        tracker.metric("train/loss", 1 / step, step)
        tracker.flush()
    way.behaviour = "pass on"
    others = [threading.Thread(target=send_pending, args=(run,)) for _ in range(2)]
    for other in others:
        other.start()
    assert tracker.wait() == 0
    for other in others:
        other.join()
    rows = server.client.get_metric_history(run.run_id, "train/loss")
    assert [row.step for row in rows] == list(range(1, 11))


def test_a_checkpoint_that_waits_gives_way_to_a_newer_one(
    way: Way, run: RunRef, tmp_path: Path, server: Server
) -> None:
    way.behaviour = 503
    tracker = Tracker(run)
    path = checkpoint(tmp_path)
    for number in range(5):
        path.unlink()
        path.write_bytes(b"weights %d" % number)
        tracker.file(path, "checkpoints")
        tracker.text(f"sample {number}", f"samples/{number}.txt")
    kinds = [entry for entry in Outbox(run.outbox).pending() if b'"file"' in entry.read_bytes()]
    assert len(kinds) <= 2
    way.behaviour = "pass on"
    assert tracker.wait() == 0
    assert Path(server.client.download_artifacts(run.run_id, "checkpoints/best.ckpt")).read_bytes() == b"weights 4"
    assert len(artifacts(server.client, run.run_id)) == 6
