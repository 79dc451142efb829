"""What a tracker reports, in a real SQLite store; stores that go away are in tests/faults."""

import json
import threading
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.errors import TrackingError
from tasks.tracking.outbox.messages import LogTable, SetTags, Terminate
from tasks.tracking.outbox.queue import Outbox
from tasks.tracking.runs import ModelVersion, RunRef
from tasks.tracking.tracker import Tracker, send_pending
from tests.recorded import model_outputs
from tests.workplace import start_run


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> Params:
    folder = tmp_path_factory.mktemp("a store")
    return load_params([], [f"tracking.uri=sqlite:///{folder}/mlflow.db", f"data.directory={folder}/data"])


@pytest.fixture
def client(params: Params) -> MlflowClient:
    return MlflowClient(tracking_uri=str(params.tracking.uri))


@pytest.fixture
def run(params: Params) -> RunRef:
    return start_run(params, "a run", {})


def history(client: MlflowClient, run: RunRef, key: str) -> list[tuple[int, float]]:
    return sorted((row.step, row.value) for row in client.get_metric_history(run.run_id, key))


def test_nothing_is_left_on_disk_when_a_run_has_ended(tracker: Tracker, client: MlflowClient, run: RunRef) -> None:
    tracker.metric("train/loss", 1.0, 1)
    tracker.text("some text", "a.txt")
    assert tracker.finish("FINISHED") == 0
    assert client.get_run(run.run_id).info.status == "FINISHED"
    assert not run.outbox.exists()


def test_a_part_of_a_run_that_is_done_again_logs_no_step_twice(
    tracker: Tracker, client: MlflowClient, run: RunRef
) -> None:
    for step in range(1, 11):
        tracker.metric("train/loss", 1 / step, step)
    tracker.wait()
    again = Tracker(run)
    for step in range(6, 16):
        again.metric("train/loss", 1 / step, step)
        again.metric("val/loss", 2.0, step)
    again.wait()
    assert history(client, run, "train/loss") == [(step, 1 / step) for step in range(1, 16)]
    assert history(client, run, "val/loss") == [(step, 2.0) for step in range(6, 16)]


def test_a_run_that_is_interrupted_keeps_what_another_tracker_has_gathered(
    tracker: Tracker, client: MlflowClient, run: RunRef
) -> None:
    tracker.metric("train/loss", 1.0, 1)
    Tracker(run).finish("KILLED")
    assert history(client, run, "train/loss") == [(1, 1.0)]


def test_a_tag_is_known_before_it_is_sent_and_after(tracker: Tracker, run: RunRef) -> None:
    assert tracker.tag("checkpoint.step") == ""
    for step in ("20", "40"):
        run_box = Outbox(run.outbox)
        run_box.append(SetTags({"checkpoint.step": step}), run.uri)
        run_box.append(SetTags({"another": "tag"}), run.uri)
    assert tracker.tag("checkpoint.step") == "40"
    tracker.wait()
    assert tracker.tag("checkpoint.step") == "40"


def test_a_parameter_that_the_store_refuses_fails_the_run_which_ends_all_the_same(
    tracker: Tracker, client: MlflowClient, run: RunRef
) -> None:
    tracker.params({"no name?": "1"})
    with pytest.raises(TrackingError, match=r"^tracking\.uri sqlite:///.*no name\?"):
        tracker.wait()
    with pytest.raises(TrackingError, match="no name"):
        tracker.metric("train/loss", 1.0, 1)
    tracker.finish("FAILED", "TrackingError: no name")
    found = client.get_run(run.run_id)
    assert found.info.status == "FAILED"
    assert found.data.tags["error"] == "TrackingError: no name"
    assert list(run.outbox.glob("*.refused"))


def test_checkpoints_are_models_with_their_step_and_metrics_and_the_run_has_each_metric_once(
    tracker: Tracker, client: MlflowClient, run: RunRef, tmp_path: Path
) -> None:
    for step in (10, 20, 30):
        tracker.metric("val/loss", 100.0 - step, step)
    for step in (15, 20, 15):  # as a run that goes on keeps one again
        tracker.checkpoint(f"checkpoints/step-{step:08d}.ckpt", step)
    tracker.metric("best/loss", 80.5, 20)
    path = tmp_path / "best.ckpt"
    path.write_bytes(b"weights")
    tracker.register("with metrics", path, "ab" * 32, ["torch"], {"prime": "a"}, step=20)
    assert not tracker.wait()
    found = [client.get_logged_model(item.model_id) for item in model_outputs(client.get_run(run.run_id))]
    metrics = {model.name: {metric.key: metric.value for metric in model.metrics or []} for model in found}
    assert metrics == {
        "step-00000015": {"val/loss": 90.0},
        "step-00000020": {"val/loss": 80.0},
        "model": {"val/loss": 80.0, "best/loss": 80.5},
    }
    assert sorted(item.step for item in model_outputs(client.get_run(run.run_id))) == [15, 20, 20]
    assert [row.step for row in client.get_metric_history(run.run_id, "val/loss")] == [10, 20, 30]
    assert len(client.get_metric_history(run.run_id, "best/loss")) == 1


def test_the_same_checkpoint_of_a_run_is_one_version_and_the_process_keeps_its_store(
    tracker: Tracker, client: MlflowClient, run: RunRef, tmp_path: Path
) -> None:
    path = tmp_path / "best.ckpt"
    path.write_bytes(b"weights")
    example: dict[str, str | int | float] = {"prime": "a", "length": 3}
    numbers = [tracker.register("once", path, "ab" * 32, ["torch"], example) for _ in range(2)]
    numbers.append(tracker.register("once", path, "cd" * 32, ["torch"], example))
    assert numbers == [ModelVersion("once", number) for number in "112"]
    versions = client.search_model_versions("name = 'once'")
    outputs = model_outputs(client.get_run(run.run_id))
    assert {version.source for version in versions} == {f"models:/{item.model_id}" for item in outputs}
    assert len(versions) == len(outputs)
    assert {version.run_id for version in versions} == {run.run_id}
    assert not mlflow.is_tracking_uri_set()


def test_system_metrics_are_logged_at_seconds_of_the_run(
    tracker: Tracker, client: MlflowClient, run: RunRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    with tracker.system_metrics(enabled=True):
        while not history(client, run, "system/cpu_utilization_percentage"):
            threading.Event().wait(0.1)
            tracker.flush()
    tracker.finish("FINISHED")
    started, ended = client.get_run(run.run_id).info.start_time, client.get_run(run.run_id).info.end_time
    rows = client.get_metric_history(run.run_id, "system/cpu_utilization_percentage")
    assert rows
    for row in rows:
        assert 0 <= row.step <= (row.timestamp - started) // 1000
        assert row.timestamp <= ended
    assert len({row.step for row in rows}) == len(rows)


def test_the_curves_are_drawn_from_what_was_reported_before(
    tracker: Tracker, client: MlflowClient, run: RunRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[object] = []

    def draw(*arguments: object) -> bytes:
        drawn.extend(arguments)
        return b"a picture"

    monkeypatch.setattr("charrnn.evaluation.plots.loss_curves", draw)
    for step in (2, 1, 3):
        tracker.metric("train/loss", 1 / step, step)
    tracker.metric("val/loss", 2.0, 3)
    tracker.curves({"unigram": 3.0}, "pictures/curves.png")
    tracker.wait()
    assert drawn == [[(1, 1.0), (2, 1 / 2), (3, 1 / 3)], [(3, 2.0)], {"unigram": 3.0}, "Loss"]
    assert Path(client.download_artifacts(run.run_id, "pictures/curves.png")).read_bytes() == b"a picture"


def test_what_waits_can_be_sent_here_and_now(client: MlflowClient, run: RunRef) -> None:
    assert send_pending(run) == 0
    Outbox(run.outbox).append(LogTable("a.json", json.dumps({"columns": ["a"], "data": [[1]]})), run.uri)
    Outbox(run.outbox).append(Terminate("FINISHED", 1_700_000_000_000), run.uri)
    assert send_pending(run) == 2
    found = client.get_run(run.run_id)
    assert (found.info.status, found.info.end_time) == ("FINISHED", 1_700_000_000_000)
    assert not run.outbox.exists()
