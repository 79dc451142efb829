"""What goes into a real SQLite store and what comes back; errors of stores that are not there."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from charrnn.config.loading import PROJECT, load_params
from charrnn.config.schema import Params
from charrnn.config.writing import to_yaml
from charrnn.errors import CharrnnError, FileError, TrackingError
from tasks.tracking.address import tracking_uri
from tasks.tracking.mlflow import connect, download, download_model, find_run, reopen_run, run_params, start_run
from tasks.tracking.processes import PROCESS_TAGS
from tasks.tracking.runs import PARAMS_FILE, RunRef
from tasks.tracking.tracker import Tracker
from tests.recorded import dataset_inputs, profile
from tests.workplace import Finished


def begin(params: Params, name: str = "a run") -> RunRef:
    return start_run(params, name, {"kind": "test"})


def seek(params: Params, wanted: str) -> RunRef:
    return find_run(params, wanted)


def elsewhere(uri: str) -> Params:
    return load_params([], [f"tracking.uri={uri}"])


def of_experiment(params: Params, name: str) -> Params:
    return params.model_copy(update={"tracking": params.tracking.model_copy(update={"experiment": name})})


def one_line(error: CharrnnError) -> str:
    text = str(error)
    assert "\n" not in text
    return text


@pytest.fixture
def client(store: Params) -> MlflowClient:
    return MlflowClient(tracking_uri=str(store.tracking.uri))


@pytest.fixture
def run(store: Params) -> RunRef:
    return begin(store)


@pytest.fixture
def tracker(run: RunRef) -> Tracker:
    return Tracker(run)


Read = Callable[[], Run]


@pytest.fixture
def read(client: MlflowClient, run: RunRef) -> Read:
    return lambda: client.get_run(run.run_id)


def steps(client: MlflowClient, run: RunRef, key: str) -> list[int]:
    return sorted(metric.step for metric in client.get_metric_history(run.run_id, key))


def test_a_run_starts_running_with_its_name_and_tags(store: Params, read: Read) -> None:
    found = read()
    assert found.info.status == "RUNNING"
    assert found.info.run_name == "a run"
    assert found.data.tags["kind"] == "test"


def test_tags_of_the_parameters_go_to_the_run(store: Params, client: MlflowClient) -> None:
    tags = {"paper": "figure 3", "who": "somebody"}
    tagged = store.model_copy(update={"tracking": store.tracking.model_copy(update={"tags": tags})})
    assert tags.items() <= client.get_run(begin(tagged).run_id).data.tags.items()


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
    paths = [download(run, path, to) for path in ("samples/training/step-1.txt", "some/where/a file.bin", "a file.bin")]
    text, nested, top = (path for path in paths if path is not None)
    assert text.read_text(encoding="utf-8") == "ÄÖ\n日本"
    assert nested.read_bytes() == top.read_bytes() == bytes(range(256))
    assert download(run, "samples/training/step-2.txt", to) is None
    assert download(run, "nothing/at/all", to) is None


def test_a_table_written_again_replaces_the_first_and_is_listed_once(
    tracker: Tracker, run: RunRef, read: Read, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"character": ["a", "é"], "count": [3, 1]})
    tracker.table(pd.DataFrame({"character": ["old"]}), "vocabulary/characters.json")
    tracker.table(frame, "vocabulary/characters.json")
    tracker.table(frame, "other.json")
    tracker.finish("FINISHED")
    path = download(run, "vocabulary/characters.json", tmp_path)
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


def test_a_failed_run_says_why_until_it_is_opened_again(tracker: Tracker, run: RunRef, read: Read) -> None:
    tracker.finish("FAILED", "DivergedError: " + "x" * 10_000)
    assert read().info.status == "FAILED"
    assert read().data.tags["error"].startswith("DivergedError: xxx")
    reopen_run(run)
    assert read().info.status == "RUNNING"
    assert "error" not in read().data.tags


def test_without_system_metrics_there_are_none(tracker: Tracker, read: Read) -> None:
    with tracker.system_metrics(False):
        tracker.metric("train/loss", 1.0, 1)
    tracker.finish("FINISHED")
    assert set(read().data.metrics) == {"train/loss"}


# Which store


def test_the_parameter_names_the_store_then_the_environment_then_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = Params().tracking
    assert tracking_uri(unset) == f"sqlite:///{PROJECT}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://from.the.environment")
    assert tracking_uri(unset) == "http://from.the.environment"
    assert tracking_uri(elsewhere("http://from.the.parameters").tracking) == "http://from.the.parameters"


def test_registering_a_model_does_not_change_the_store_of_the_next_run(finished: Finished) -> None:
    assert finished.summary.model_version
    assert not mlflow.is_tracking_uri_set()
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_an_experiment_is_made_once_beside_its_artifacts(store: Params, client: MlflowClient) -> None:
    named = of_experiment(store, "made once")
    ids = {connect(named.tracking)[1] for _ in range(2)}
    experiment = client.get_experiment_by_name("made once")
    assert experiment is not None
    assert ids == {experiment.experiment_id}
    assert experiment.artifact_location is not None
    assert experiment.artifact_location.startswith("file://")
    assert experiment.artifact_location.endswith("/artifacts")


def test_a_deleted_experiment_is_refused(store: Params, client: MlflowClient) -> None:
    named = of_experiment(store, "deleted")
    client.delete_experiment(connect(named.tracking)[1])
    with pytest.raises(TrackingError) as caught:
        connect(named.tracking)
    assert "tracking.experiment: 'deleted' was deleted in sqlite:///" in one_line(caught.value)


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError) as caught:
        connect(elsewhere(f"sqlite:///{tmp_path}/file/mlruns/mlflow.db").tracking)
    assert one_line(caught.value).startswith(f"{tmp_path}/file/mlruns: cannot write the MLflow store there: ")


def test_a_file_that_is_no_database_is_refused_and_stays_as_it_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mlflow.db").write_text("To be, or not to be. " * 1000)
    with pytest.raises(TrackingError, match="file is not a database") as caught:
        connect(elsewhere(f"sqlite:///{tmp_path}/mlflow.db").tracking)
    assert f"tracking.uri sqlite:///{tmp_path}/mlflow.db" in one_line(caught.value)
    assert (tmp_path / "mlflow.db").read_text() == "To be, or not to be. " * 1000
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("gopher://host/runs", "unsupported URI 'gopher://host/runs'"),
        ("mssql+pyodbc://me:hunter2@127.0.0.1/runs", "No module named 'pyodbc'"),
    ],
)
def test_a_kind_of_store_that_is_not_to_be_had_is_one_line(uri: str, message: str) -> None:
    with pytest.raises(TrackingError) as caught:
        connect(elsewhere(uri).tracking)
    assert message in one_line(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.fixture
def dead_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[int]]]:
    """A server that hangs up on everyone, and a list with an entry for each who called."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    calls: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                calls.append(1)
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield f"http://me:hunter2@127.0.0.1:{server.getsockname()[1]}", calls
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_server_that_does_not_answer_is_given_up_at_once(dead_server: tuple[str, list[int]]) -> None:
    uri, calls = dead_server
    with pytest.raises(TrackingError) as caught:
        connect(elsewhere(uri).tracking)
    assert one_line(caught.value).startswith("tracking.uri http://***@127.0.0.1:")
    assert "hunter2" not in str(caught.value)
    assert len(calls) == 1


def test_a_refused_connection_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(TrackingError, match="Connection refused"):
        connect(elsewhere(uri).tracking)


CONNECT = """
import sys
from charrnn.config.loading import (load_params)
from tasks.tracking.mlflow import connect
params = load_params([], [f"tracking.uri={sys.argv[1]}"]).tracking
print("ready", flush=True)
input()
print(connect(params)[1])
"""


def test_processes_that_connect_at_once_to_a_new_store_share_one_experiment(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CONNECT, uri], cwd=PROJECT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=100) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    assert len({out for out, _ in answers}) == 1


def test_threads_that_connect_at_once_to_a_new_store_share_one_experiment(tmp_path: Path) -> None:
    params = elsewhere(f"sqlite:///{tmp_path}/new/mlflow.db").tracking
    barrier = threading.Barrier(4)

    def connect_with_others(_: int) -> str:
        barrier.wait()
        return connect(params)[1]

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(connect_with_others, range(4)))) == 1


# Which run


def test_a_run_is_found_by_its_id(store: Params, run: RunRef) -> None:
    assert seek(store, run.run_id) == run


def test_last_is_the_newest_run_of_the_experiment(store: Params) -> None:
    named = of_experiment(store, "of three runs")
    newest = [begin(named) for _ in range(3)][-1]
    begin(store)
    assert seek(named, "last").run_id == newest.run_id


@pytest.mark.parametrize("wanted", ["0123456789abcdef0123456789abcdef", "../x", ""])
def test_a_run_that_is_not_there_is_named(store: Params, wanted: str) -> None:
    with pytest.raises(TrackingError) as caught:
        seek(store, wanted)
    assert one_line(caught.value).startswith(f"run {wanted}: there is no such run in sqlite:///")


def test_a_deleted_run_is_no_run_to_go_on_with(store: Params, run: RunRef, client: MlflowClient) -> None:
    client.delete_run(run.run_id)
    with pytest.raises(TrackingError, match="was deleted"):
        seek(store, run.run_id)


def test_there_is_no_last_run_before_the_first(store: Params) -> None:
    with pytest.raises(TrackingError) as caught:
        seek(of_experiment(store, "empty"), "last")
    assert one_line(caught.value).startswith("last: experiment 'empty' in sqlite:///")


def test_the_parameters_of_a_run_read_back(tracker: Tracker, run: RunRef) -> None:
    params = load_params([], ["training.seed=77", "sampling.prime=ROMEO:", "data.sources=['/a/play.txt']"])
    tracker.text(to_yaml(params), PARAMS_FILE)
    tracker.finish("FINISHED")
    assert run_params(run) == params


def test_a_run_that_ended_before_its_parameters_were_kept_has_none(run: RunRef) -> None:
    assert run_params(run) is None


def test_a_run_of_another_program_is_not_one_to_go_on_with(store: Params, client: MlflowClient) -> None:
    run_id = client.create_run(connect(store.tracking)[1]).info.run_id
    with pytest.raises(TrackingError) as caught:
        run_params(seek(store, run_id))
    assert one_line(caught.value).startswith(f"run {run_id}: has no params.yaml")


def ended_process() -> str:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return str(process.pid)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "RUNNING"),
        ({"pid": "ended"}, "KILLED"),
        ({"process_started": "1.0"}, "KILLED"),
        ({"pid": "ended", "host": "another-machine"}, "RUNNING"),
        ({"pid": "not a number"}, "RUNNING"),
    ],
)
def test_only_runs_whose_process_on_this_machine_is_gone_are_orphans(
    store: Params, client: MlflowClient, changes: dict[str, str], status: str
) -> None:
    named = of_experiment(store, f"orphans {status} {sorted(changes.items())}")
    left = begin(named)
    assert {f"charrnn.{name}" for name in changes} <= set(PROCESS_TAGS)
    for name, value in changes.items():
        client.set_tag(left.run_id, f"charrnn.{name}", ended_process() if value == "ended" else value)
    begin(named)
    assert client.get_run(left.run_id).info.status == status


def test_a_run_that_is_opened_again_belongs_to_this_process(store: Params, client: MlflowClient) -> None:
    named = of_experiment(store, "opened again")
    left = begin(named)
    client.set_tag(left.run_id, "charrnn.pid", ended_process())
    reopen_run(left)
    begin(named)
    assert client.get_run(left.run_id).info.status == "RUNNING"


# Which model


@pytest.fixture(scope="module")
def registered(finished: Finished) -> Iterator[Callable[[str, Path], Path]]:
    """Download a registered model; `ten` has ten versions, of which only the last one has files."""
    client = finished.workplace.client
    real = client.get_model_version_download_uri("charrnn", finished.summary.model_version)
    client.create_registered_model("ten")
    for number in range(1, 11):
        client.create_model_version("ten", real if number == 10 else f"{real}/nothing", run_id=finished.run_id)
    client.set_registered_model_alias("ten", "best", "10")
    client.set_registered_model_alias("ten", "broken", "9")
    params = load_params([], finished.workplace.overrides).tracking

    def get(wanted: str, folder: Path) -> Path:
        return download_model(params, wanted, folder)

    yield get
    client.delete_registered_model("ten")


Get = Callable[[str, Path], Path]


@pytest.mark.parametrize("wanted", ["ten", "ten/10", "ten@best"])
def test_a_registered_model_comes_with_its_checkpoint(registered: Get, tmp_path: Path, wanted: str) -> None:
    assert [path.name for path in registered(wanted, tmp_path).rglob("*.ckpt")] == ["best.ckpt"]


@pytest.mark.parametrize("wanted", ["ten/9", "ten@broken", "ten/11", "ten/last", "ten@worst", "hundred", "hundred/1"])
def test_a_model_that_is_not_there_is_named(registered: Get, tmp_path: Path, wanted: str) -> None:
    with pytest.raises(TrackingError) as caught:
        registered(wanted, tmp_path)
    assert one_line(caught.value).startswith(f"model {wanted}: ")
