"""`charrnn sync` on outboxes that dead processes have left; servers that come back are in tests/faults."""

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient

from charrnn.config.loading import PROJECT, load_params
from charrnn.config.schema import Params
from tasks.tracking.outbox.messages import LogText, Message, SetTags, Terminate
from tasks.tracking.outbox.queue import Outbox
from tasks.tracking.runs import RunRef
from tests.workplace import Called, call_sync, start_run


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('a store')}/mlflow.db"


@pytest.fixture
def client(uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=uri)


@pytest.fixture
def params(uri: str, tmp_path: Path) -> Params:
    return load_params([], [f"tracking.uri={uri}", f"data.directory={tmp_path}"])


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options that name the data folder, and nothing else."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return ["--set", f"data.directory={tmp_path}"]


LEFT: list[Message] = [SetTags({"colour": "red"}), LogText("a.txt", "text"), Terminate("FINISHED", 2_000_000_000_000)]


def leave(run: RunRef, store: str, messages: list[Message] = LEFT) -> None:
    """Be a process that reports something to a store that is away, and ends."""
    for message in messages:
        Outbox(run.outbox).append(message, store)


def test_what_runs_have_left_is_sent_a_line_for_each(
    params: Params, uri: str, at: list[str], client: MlflowClient
) -> None:
    runs = sorted((start_run(params, name, {}) for name in ("one", "two")), key=lambda run: run.run_id)
    for run in runs:
        leave(run, uri)
    answer = call_sync(*at)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "".join(f"{run.run_id}  3 operations sent to {uri}\n" for run in runs)
    for run in runs:
        found = client.get_run(run.run_id)
        assert (found.info.status, found.data.tags["colour"]) == ("FINISHED", "red")
        assert not run.outbox.exists()
    again = call_sync(*at)
    assert (again.code, again.out) == (0, f"nothing waits in {runs[0].outbox.parent}\n")


def test_only_the_runs_that_are_named_are_sent(params: Params, uri: str, at: list[str]) -> None:
    one, two = start_run(params, "one", {}), start_run(params, "two", {})
    leave(one, uri)
    leave(two, uri)
    assert call_sync(*at, two.run_id).out == f"{two.run_id}  3 operations sent to {uri}\n"
    assert call_sync(*at, two.run_id).out.startswith("nothing waits in ")
    assert len(Outbox(one.outbox).pending()) == 3


def test_a_store_that_does_not_answer_does_not_hold_up_the_others(
    params: Params, uri: str, at: list[str], tmp_path: Path
) -> None:
    run = start_run(params, "one", {})
    leave(run, uri)
    for run_id in ("0" * 32, "f" * 32):
        Outbox(tmp_path / "outbox" / run_id).append(SetTags({"a": "b"}), "http://127.0.0.1:1")
    answer = call_sync(*at)
    assert answer.code == 1
    assert answer.out == f"{run.run_id}  3 operations sent to {uri}\n"
    for line, run_id in zip(answer.err.splitlines(), ("0" * 32, "f" * 32), strict=True):
        assert line.startswith(f"error: run {run_id}: tracking.uri http://127.0.0.1:1: ")
        assert "Connection refused" in line
        assert line.endswith(f"; 1 operations are kept in {tmp_path}/outbox/{run_id}")


def test_a_run_that_the_store_does_not_know_is_told(params: Params, uri: str, at: list[str], tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox" / ("0" * 32))
    box.append(SetTags({"a": "b"}), uri)
    answer = call_sync(*at)
    assert answer.code == 1
    assert f"run {'0' * 32}: there is no such run in {uri}; " in answer.err
    assert len(box.pending()) == 1


def in_line_of(answer: Called, run: RunRef, what: str) -> None:
    """Check that sync has answered that `run` is gone, and named the command."""
    assert (answer.code, answer.out) == (1, "")
    (line,) = answer.err.splitlines()
    data = run.data.path
    assert line.startswith(f"error: run {run.run_id}: {what}")
    command = f"charrnn sync --set data.directory={data} --discard {run.run_id}"
    assert line.endswith(f"; 3 operations are kept in {run.outbox}; throw them away with: {command}")


def test_what_a_deleted_run_has_left_goes_when_a_person_asks_for_it_also_after_gc(
    params: Params, uri: str, at: list[str], client: MlflowClient
) -> None:
    deleted, other = start_run(params, "one", {}), start_run(params, "two", {})
    leave(deleted, uri)
    client.delete_run(deleted.run_id)  # as the MLflow UI does
    in_line_of(call_sync(*at), deleted, f"was deleted in {uri}, where it can be restored until mlflow gc")
    gc = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri, "--tracking-uri", uri]
    subprocess.run([*gc, "--run-ids", deleted.run_id], check=True, capture_output=True)
    in_line_of(call_sync(*at), deleted, f"there is no such run in {uri}")
    leave(other, uri)

    answer = call_sync(*at, "--discard", deleted.run_id)
    assert (answer.code, answer.err) == (0, "")
    what = "1 tag, 1 artifact a.txt, 1 end as FINISHED"
    assert answer.out == f"{deleted.run_id}  3 operations thrown away: {what}\n"
    assert not deleted.outbox.exists()
    assert call_sync(*at).out == f"{other.run_id}  3 operations sent to {uri}\n"


def test_nothing_is_thrown_away_by_a_mistake(params: Params, uri: str, at: list[str], client: MlflowClient) -> None:
    run = start_run(params, "one", {})
    leave(run, uri)
    answer = call_sync(*at, "--discard", run.run_id)
    assert (answer.code, answer.out) == (2, "")
    sent = f"send what waits: charrnn sync --set data.directory={run.data.path} {run.run_id}\n"
    assert answer.err == f"error: --discard {run.run_id}: the run is still in {uri}; {sent}"
    elsewhere = call_sync(*at, "--discard", run.run_id, "--set", "tracking.uri=http://127.0.0.1:1")
    assert elsewhere.code == 2
    assert f"what waits is for {uri}, which alone can say" in elsewhere.err
    away = Outbox(run.data.outbox("e" * 32))
    away.append(SetTags({"a": "b"}), "http://127.0.0.1:1")
    refused = call_sync(*at, "--discard", "e" * 32, "--set", "tracking.uri=http://127.0.0.1:1")
    assert (refused.code, "Connection refused" in refused.err) == (2, True)
    client.delete_run(run.run_id)
    for arguments, message in (
        (["--discard", run.run_id, "--discard", "0" * 32], f"--discard {'0' * 32}: no run of that id has anything in "),
        (["--discard", f"../outbox/{run.run_id}"], f"--discard ../outbox/{run.run_id}: no run of that id has "),
        ([run.run_id, "--discard", run.run_id], "--discard: not allowed with RUN_ID, which is sent"),
    ):
        answer = call_sync(*at, *arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith(f"error: {message}")
    with FileLock(run.outbox / ".sending"):
        answer = call_sync(*at, "--discard", run.run_id)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"error: {run.outbox}: another process is sending what waits there")
    assert len(Outbox(run.outbox).pending()) == 3


def test_what_is_refused_is_kept_and_tried_again_the_next_time(
    params: Params, uri: str, at: list[str], client: MlflowClient
) -> None:
    run = start_run(params, "one", {})
    leave(run, uri, [SetTags({"no name?": "1"}), SetTags({"colour": "red"})])
    for _ in range(2):
        answer = call_sync(*at)
        assert (answer.code, answer.out) == (1, "")
        (line,) = answer.err.splitlines()
        assert "no name?" in line
        assert line.endswith(f"; 1 operations are kept in {run.outbox}")
    assert client.get_run(run.run_id).data.tags["colour"] == "red"
    assert len(list(run.outbox.glob("*.refused"))) == 1


def test_the_address_that_is_asked_for_comes_before_the_one_of_the_run(
    params: Params, uri: str, at: list[str], client: MlflowClient
) -> None:
    run = start_run(params, "one", {})
    leave(run, "http://moved.away")
    answer = call_sync(*at, "--set", f"tracking.uri={uri}")
    assert answer.out == f"{run.run_id}  3 operations sent to {uri}\n"
    assert client.get_run(run.run_id).info.status == "FINISHED"


def test_an_address_without_its_credentials_has_to_be_given(
    at: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Outbox(tmp_path / "outbox" / ("0" * 32))
    box.append(SetTags({"a": "b"}), "http://***@127.0.0.1:1")
    answer = call_sync(*at)
    assert answer.code == 1
    assert "its store is http://***@127.0.0.1:1; give the address with credentials: --set tracking.uri" in answer.err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter2@127.0.0.1:1")
    answer = call_sync(*at)
    assert answer.code == 1
    assert "Connection refused" in answer.err
    assert "hunter2" not in answer.err


def test_bad_input_is_answered_in_one_line(at: list[str]) -> None:
    answer = call_sync(*at, "--set", "tracking.url=x")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: ")
    assert "tracking.url" in answer.err
    assert len(answer.err.splitlines()) == 1


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "importtime", PROJECT / "flows" / "sync.py", *arguments], capture_output=True, text=True
    )


def test_help_mistakes_and_nothing_to_do_are_answered_without_slow_imports(at: list[str]) -> None:
    helped, mistaken, idle = script("--help"), script("--set", "tracking.url=x"), script(*at)
    assert [done.returncode for done in (helped, mistaken, idle)] == [0, 2, 0]
    assert helped.stdout.startswith("Usage: python flows/sync.py ")
    assert "examples:" in helped.stdout
    assert idle.stdout.startswith("nothing waits in ")
    for done in (helped, mistaken, idle):
        assert not {"mlflow", "torch", "prefect"} & {
            line.rpartition("|")[2].strip() for line in done.stderr.splitlines()
        }
