"""Stores that are there, stores that are not, locks that are waited out, and experiments that are made once."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow import MlflowClient

from charrnn.config.loading import PROJECT
from charrnn.config.schema import Params
from charrnn.errors import FileError, TrackingError
from tasks.tracking.mlflow import Store
from tasks.tracking.mlflow.store import StoreError
from tests.tasks.tracking.places import at_store, experiment_of, of_experiment, one_line

LOCKED = "(sqlite3.OperationalError) database is locked"


def failing(client: MlflowClient, messages: list[str], kind: type[Exception] = OSError) -> str:
    """Fail with one message after the other, then answer."""
    if messages:
        raise kind(messages.pop(0))
    return "an answer"


@pytest.fixture
def reached(store: Params) -> Store:
    """The store of the session; nothing that is waited for in it takes any time."""
    return Store.of(store.tracking)


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.tracking.mlflow.store.time.sleep", lambda seconds: None)


@pytest.mark.usefixtures("no_sleep")
@pytest.mark.parametrize("kind", [TrackingError, OSError])
def test_a_store_that_is_locked_is_asked_again(reached: Store, kind: type[Exception]) -> None:
    assert reached.ask(failing, [LOCKED, LOCKED], kind) == "an answer"


def test_a_store_that_stays_locked_is_told(reached: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.tracking.mlflow.store.LOCK_SECONDS", 0.0)
    with pytest.raises(TrackingError, match=r"^tracking\.uri sqlite:///.*: .*database is locked"):
        reached.ask(failing, [LOCKED, LOCKED])


def test_nothing_else_is_waited_for(reached: Store) -> None:
    messages = ["connection refused", "connection refused"]
    with pytest.raises(TrackingError, match="connection refused"):
        reached.ask(failing, messages)
    assert len(messages) == 1


def test_a_connection_that_breaks_is_tried_once_more_where_nothing_is_made_twice(reached: Store) -> None:
    broken = "('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))"
    assert reached.ask(failing, [broken]) == "an answer"
    for ask, left in ((reached.ask, 0), (reached.ask_once, 1)):
        messages = [broken, broken]
        with pytest.raises(StoreError, match="Connection reset by peer"):
            ask(failing, messages)
        assert len(messages) == left


def test_an_error_says_why_without_the_address_and_whether_it_is_final(reached: Store) -> None:
    with pytest.raises(StoreError) as refused:
        reached.ask(MlflowClient.get_run, "0" * 32)
    assert refused.value.refused
    assert str(refused.value) == f"tracking.uri {reached.uri}: {refused.value.reason}"
    with pytest.raises(StoreError) as failed:
        reached.ask(failing, ["connection refused"])
    assert (failed.value.reason, failed.value.refused) == ("connection refused", False)


def test_only_an_experiment_that_is_opened_makes_a_store(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/new/mlflow.db")
    with pytest.raises(StoreError) as caught:
        store.find_experiment("mine")
    assert one_line(caught.value).startswith(f"tracking.uri {store.uri}: is not there yet; ")
    assert not caught.value.refused  # what waits for it is kept
    assert list(tmp_path.iterdir()) == []
    opened = store.open_experiment("mine")
    assert store.experiment_id("mine") == opened
    assert store.experiment_id("nobody's") == ""


def test_an_experiment_is_made_once_beside_its_artifacts(store: Params, client: MlflowClient) -> None:
    named = of_experiment(store, "made once")
    ids = {experiment_of(named).open() for _ in range(2)}
    experiment = client.get_experiment_by_name("made once")
    assert experiment is not None
    assert ids == {experiment.experiment_id}
    assert experiment.artifact_location is not None
    assert experiment.artifact_location.startswith("file://")
    assert experiment.artifact_location.endswith("/artifacts")


def test_a_deleted_experiment_is_refused(store: Params, client: MlflowClient) -> None:
    named = of_experiment(store, "deleted")
    client.delete_experiment(experiment_of(named).open())
    with pytest.raises(TrackingError) as caught:
        experiment_of(named).open()
    assert "tracking.experiment: 'deleted' was deleted in sqlite:///" in one_line(caught.value)


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError) as caught:
        experiment_of(at_store(f"sqlite:///{tmp_path}/file/mlruns/mlflow.db")).open()
    assert one_line(caught.value).startswith(f"{tmp_path}/file/mlruns: cannot write the MLflow store there: ")


def test_a_file_that_is_no_database_is_refused_and_stays_as_it_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mlflow.db").write_text("To be, or not to be. " * 1000)
    with pytest.raises(TrackingError, match="file is not a database") as caught:
        experiment_of(at_store(f"sqlite:///{tmp_path}/mlflow.db")).open()
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
        experiment_of(at_store(uri)).open()
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


def test_a_server_that_hangs_up_is_given_up_after_the_second_time(dead_server: tuple[str, list[int]]) -> None:
    uri, calls = dead_server
    with pytest.raises(TrackingError) as caught:
        experiment_of(at_store(uri)).open()
    assert one_line(caught.value).startswith("tracking.uri http://***@127.0.0.1:")
    assert "hunter2" not in str(caught.value)
    assert len(calls) == 2


def test_a_refused_connection_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(TrackingError, match="Connection refused"):
        experiment_of(at_store(uri)).open()


CONNECT = """
import sys
from charrnn.config.schema import DataParams, TrackingParams
from tasks.tracking.mlflow import Experiment
experiment = Experiment(TrackingParams(uri=sys.argv[1]), DataParams())
print("ready", flush=True)
input()
print(experiment.open())
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
    params = at_store(f"sqlite:///{tmp_path}/new/mlflow.db")
    barrier = threading.Barrier(4)

    def connect_with_others(_: int) -> str:
        barrier.wait()
        return experiment_of(params).open()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(connect_with_others, range(4)))) == 1
