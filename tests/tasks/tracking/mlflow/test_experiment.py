"""Runs that are started, found and listed in a real SQLite store."""

import subprocess
import sys

import pytest
from mlflow import MlflowClient

from charrnn.config.schema import Params
from charrnn.errors import TrackingError
from tasks.tracking.mlflow import reopen_run
from tasks.tracking.processes import PROCESS_TAGS
from tasks.tracking.runs import RunRef
from tasks.tracking.tracker import Tracker
from tests.tasks.tracking.places import experiment_of, of_experiment, one_line
from tests.workplace import start_run


def find_run(params: Params, wanted: str) -> RunRef:
    return experiment_of(params).find_run(wanted)


def test_a_run_starts_running_with_its_name_and_tags(run: RunRef, client: MlflowClient) -> None:
    found = client.get_run(run.run_id)
    assert found.info.status == "RUNNING"
    assert found.info.run_name == "a run"
    assert found.data.tags["kind"] == "test"


def test_tags_of_the_parameters_go_to_the_run(store: Params, client: MlflowClient) -> None:
    tags = {"paper": "figure 3", "who": "https://***@host/"}
    given = {**tags, "who": "https://me:hunter2@host/"}
    tagged = store.model_copy(update={"tracking": store.tracking.model_copy(update={"tags": given})})
    assert tags.items() <= client.get_run(start_run(tagged, "a run", {}).run_id).data.tags.items()


def test_a_run_is_found_by_its_id(store: Params, run: RunRef) -> None:
    assert find_run(store, run.run_id) == run


def test_last_is_the_newest_run_of_the_experiment(store: Params) -> None:
    named = of_experiment(store, "of three runs")
    newest = [start_run(named, "a run", {}) for _ in range(3)][-1]
    start_run(store, "a run", {})
    assert find_run(named, "last").run_id == newest.run_id


@pytest.mark.parametrize("wanted", ["0123456789abcdef0123456789abcdef", "../x", ""])
def test_a_run_that_is_not_there_is_named(store: Params, wanted: str) -> None:
    with pytest.raises(TrackingError) as caught:
        find_run(store, wanted)
    assert one_line(caught.value).startswith(f"run {wanted}: there is no such run in sqlite:///")


def test_a_deleted_run_is_no_run_to_go_on_with(store: Params, run: RunRef, client: MlflowClient) -> None:
    client.delete_run(run.run_id)
    with pytest.raises(TrackingError, match="was deleted"):
        find_run(store, run.run_id)


def test_there_is_no_last_run_before_the_first(store: Params) -> None:
    with pytest.raises(TrackingError) as caught:
        find_run(of_experiment(store, "empty"), "last")
    assert one_line(caught.value).startswith("last: experiment 'empty' in sqlite:///")


def test_looking_for_runs_makes_no_experiment(store: Params, client: MlflowClient) -> None:
    experiment = experiment_of(of_experiment(store, "only looked for"))
    for wanted in ("last", "0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"):
        with pytest.raises(TrackingError):
            experiment.find_run(wanted)
    assert experiment.last_runs(5) == []
    assert client.get_experiment_by_name("only looked for") is None


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
    left = start_run(named, "a run", {})
    assert {f"charrnn.{name}" for name in changes} <= set(PROCESS_TAGS)
    for name, value in changes.items():
        client.set_tag(left.run_id, f"charrnn.{name}", ended_process() if value == "ended" else value)
    start_run(named, "a run", {})
    assert client.get_run(left.run_id).info.status == status


def test_a_run_that_is_opened_again_belongs_to_this_process(store: Params, client: MlflowClient) -> None:
    named = of_experiment(store, "opened again")
    left = start_run(named, "a run", {})
    client.set_tag(left.run_id, "charrnn.pid", ended_process())
    reopen_run(left)
    start_run(named, "a run", {})
    assert client.get_run(left.run_id).info.status == "RUNNING"


def test_the_runs_that_have_ended_are_read_page_by_page(store: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.tracking.mlflow.experiment.PAGE", 2)
    named = of_experiment(store, "of many runs")
    runs = {start_run(named, "a run", {}) for _ in range(5)}
    for run in runs:
        Tracker(run).finish("FINISHED")
    start_run(named, "a run", {})
    assert {ended.run.run_id for ended in experiment_of(named).ended_runs()} == {run.run_id for run in runs}
