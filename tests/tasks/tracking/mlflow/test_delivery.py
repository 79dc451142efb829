"""What a run reports, as it is in a real SQLite store in the end; no step of a metric is there twice."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Run

from charrnn.config.schema import Params
from tasks.tracking.mlflow import download_artifact
from tasks.tracking.mlflow.delivery import Delivery, NewRows
from tasks.tracking.outbox.messages import LogDataset, Row
from tasks.tracking.runs import RunRef
from tasks.tracking.tracker import Tracker
from tests.recorded import dataset_inputs, profile
from tests.workplace import start_run

Read = Callable[[], Run]


@pytest.fixture
def read(client: MlflowClient, run: RunRef) -> Read:
    return lambda: client.get_run(run.run_id)


def steps(client: MlflowClient, run: RunRef, key: str) -> list[int]:
    return sorted(metric.step for metric in client.get_metric_history(run.run_id, key))


def test_more_metrics_than_fit_into_one_request_are_all_there_in_the_end(
    tracker: Tracker, client: MlflowClient, run: RunRef
) -> None:
    for step in range(1, 2501):
        tracker.metric("train/loss", step / 2, step)
        if step % 100 == 0:
            tracker.metric("val/loss", step / 4, step)
    tracker.finish("FINISHED")
    history = {metric.step: metric.value for metric in client.get_metric_history(run.run_id, "train/loss")}
    assert history == {step: step / 2 for step in range(1, 2501)}
    assert steps(client, run, "train/loss") == list(range(1, 2501))
    assert steps(client, run, "val/loss") == list(range(100, 2501, 100))


def test_values_that_are_not_finite_are_left_out(tracker: Tracker, client: MlflowClient, run: RunRef) -> None:
    for step, value in enumerate([1.0, float("nan"), float("inf"), 2.0]):
        tracker.metric("train/grad_norm", value, step)
    tracker.finish("FINISHED")
    assert steps(client, run, "train/grad_norm") == [0, 3]


def test_a_run_that_goes_on_logs_nothing_twice(tracker: Tracker, client: MlflowClient, run: RunRef) -> None:
    for step in range(1, 11):
        tracker.metric("train/loss", 1.0, step)
    tracker.finish("KILLED")
    resumed = Tracker(run)
    for step in range(6, 16):
        resumed.metric("train/loss", 1.0, step)
        resumed.metric("val/loss", 1.0, step)
    resumed.finish("FINISHED")
    assert steps(client, run, "train/loss") == list(range(1, 16))
    assert steps(client, run, "val/loss") == list(range(6, 16))


def test_parameters_may_be_logged_again_and_keep_their_first_value(tracker: Tracker, read: Read) -> None:
    many = {f"section.name{number}": str(number) for number in range(250)}
    tracker.params(many)
    tracker.params({**many, "section.name3": "another", "section.more": "1"})
    tracker.finish("FINISHED")
    assert read().data.params == {**many, "section.more": "1"}


def test_tags_and_description_show_no_credentials(tracker: Tracker, read: Read) -> None:
    tracker.tags({"corpus.source": "https://me:hunter2@host/a.txt?token=abc"})
    tracker.describe("**Text** https://me:hunter2@host/a.txt")
    tracker.finish("FAILED", "SourceError: https://me:hunter2@host/a.txt: no answer")
    tags = read().data.tags
    assert tags["corpus.source"] == "https://***@host/a.txt?token=***"
    assert tags["mlflow.note.content"] == "**Text** https://***@host/a.txt"
    assert "hunter2" not in str(tags)


def test_a_run_can_be_renamed(tracker: Tracker, read: Read) -> None:
    tracker.rename("a better name")
    tracker.finish("FINISHED")
    assert read().info.run_name == "a better name"


def test_texts_and_files_become_artifacts_that_come_back(tracker: Tracker, run: RunRef, tmp_path: Path) -> None:
    (tmp_path / "a file.bin").write_bytes(bytes(range(256)))
    tracker.text("ÄÖ\n日本", "samples/training/step-1.txt")
    tracker.file(tmp_path / "a file.bin", "some/where")
    tracker.file(tmp_path / "a file.bin")
    tracker.finish("FINISHED")
    to = tmp_path / "to"
    to.mkdir()
    paths = [
        download_artifact(run, path, to)
        for path in ("samples/training/step-1.txt", "some/where/a file.bin", "a file.bin")
    ]
    text, nested, top = (path for path in paths if path is not None)
    assert text.read_text(encoding="utf-8") == "ÄÖ\n日本"
    assert nested.read_bytes() == top.read_bytes() == bytes(range(256))
    assert download_artifact(run, "samples/training/step-2.txt", to) is None
    assert download_artifact(run, "nothing/at/all", to) is None


def test_a_table_written_again_replaces_the_first_and_is_listed_once(
    tracker: Tracker, run: RunRef, read: Read, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"character": ["a", "é"], "count": [3, 1]})
    tracker.table(pd.DataFrame({"character": ["old"]}), "vocabulary/characters.json")
    tracker.table(frame, "vocabulary/characters.json")
    tracker.table(frame, "other.json")
    tracker.finish("FINISHED")
    path = download_artifact(run, "vocabulary/characters.json", tmp_path)
    assert path is not None
    pd.testing.assert_frame_equal(pd.DataFrame(**json.loads(path.read_text(encoding="utf-8"))), frame)
    listed = [entry["path"] for entry in json.loads(read().data.tags["mlflow.loggedArtifacts"])]
    assert listed == ["vocabulary/characters.json", "other.json"]


def test_a_dataset_logged_again_by_a_resumed_run_is_one_input(tracker: Tracker, read: Read) -> None:
    for context in ("train", "val", "train"):
        tracker.dataset(
            name="a play.txt",
            digest=f"0123456789ab-{context}" + "x" * 50,
            source="https://me:hunter2@host/a play.txt",
            profile={"characters": 5},
            context=context,
        )
    tracker.finish("FINISHED")
    inputs = dataset_inputs(read())
    assert sorted(item.tags[0].value for item in inputs) == ["train", "val"]
    assert {item.dataset.name for item in inputs} == {"a play.txt"}
    assert json.loads(inputs[0].dataset.source) == {"source": "https://***@host/a play.txt"}
    assert profile(inputs[0].dataset) == {"characters": 5}
    assert all(len(item.dataset.digest) <= 36 for item in inputs)


@pytest.mark.parametrize("status", ["FINISHED", "KILLED"])
def test_a_run_ends_with_what_was_queued(
    tracker: Tracker, client: MlflowClient, run: RunRef, read: Read, status: str
) -> None:
    tracker.metric("train/loss", 1.0, 1)
    tracker.finish(status)
    assert read().info.status == status
    assert read().info.end_time is not None
    assert steps(client, run, "train/loss") == [1]
    assert "error" not in read().data.tags


def test_without_system_metrics_there_are_none(tracker: Tracker, read: Read) -> None:
    with tracker.system_metrics(False):
        tracker.metric("train/loss", 1.0, 1)
    tracker.finish("FINISHED")
    assert set(read().data.metrics) == {"train/loss"}


class Store:
    """Takes rows; what it is asked for and how sends go wrong is for the test to say."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.asked: Counter[str] = Counter()
        self.new = NewRows(self.steps)

    def steps(self, key: str) -> list[int]:
        self.asked[key] += 1
        return [row.step for row in self.rows if row.key == key]

    def send(self, rows: list[Row], outcome: str) -> bool:
        """Send what is new; return whether an answer came."""
        new = self.new.of(rows)
        if outcome != "lost on the way":
            self.rows += new
        if outcome == "arrives":
            return True
        if outcome == "another process goes on":
            self.new = NewRows(self.steps)
        return False


rows = st.builds(Row, st.sampled_from(["a", "b"]), st.just(1.0), st.integers(0, 9), st.integers(0, 6))
outcomes = st.sampled_from(["arrives", "lost on the way", "answer lost", "another process goes on"])


@given(st.lists(st.tuples(st.lists(rows, max_size=8), st.lists(outcomes, max_size=3))))
def test_each_step_arrives_once_however_often_its_rows_are_sent(batches: list[tuple[list[Row], list[str]]]) -> None:
    store = Store()
    first: dict[tuple[str, int], Row] = {}
    for batch, fates in batches:
        for row in batch:
            first.setdefault((row.key, row.step), row)
        for fate in [*fates, "arrives"]:
            if store.send(batch, fate):
                break
    assert Counter((row.key, row.step) for row in store.rows) == Counter(first.keys())
    assert set(store.rows) == set(first.values())


def test_the_store_is_asked_once_for_a_metric_that_goes_on() -> None:
    store = Store()
    store.rows = [Row("train/loss", 1.0, 0, step) for step in range(1, 4)]
    for start in range(2, 50, 2):
        store.send([Row("train/loss", 1.0, 0, start), Row("train/loss", 1.0, 0, start + 1)], "arrives")
    assert store.asked == {"train/loss": 1}
    assert [row.step for row in store.rows] == list(range(1, 50))


def test_runs_that_log_a_new_text_in_the_same_moment_all_have_it(store: Params, client: MlflowClient) -> None:
    runs = [start_run(store, f"peer {number}", {}) for number in range(4)]
    deliver = {run: Delivery(run) for run in runs}
    together = threading.Barrier(len(runs))
    rounds = 5

    def log(run: RunRef) -> None:
        for number in range(rounds):
            together.wait(60)
            deliver[run](LogDataset("a text", f"digest {number}", "somewhere", "{}", "train"), None)

    with ThreadPoolExecutor(len(runs)) as pool:
        list(pool.map(log, runs))
    assert [len(dataset_inputs(client.get_run(run.run_id))) for run in runs] == [rounds] * len(runs)
