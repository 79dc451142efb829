"""What is read of one run in a real SQLite store."""

import pytest
from mlflow import MlflowClient

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.config.writing import to_yaml
from charrnn.errors import TrackingError
from tasks.tracking.mlflow import reopen_run, run_params
from tasks.tracking.runs import PARAMS_FILE, RunRef
from tasks.tracking.tracker import Tracker
from tests.tasks.tracking.places import experiment_of, one_line


def test_a_failed_run_says_why_until_it_is_opened_again(tracker: Tracker, run: RunRef, client: MlflowClient) -> None:
    tracker.finish("FAILED", "DivergedError: " + "x" * 10_000)
    assert client.get_run(run.run_id).info.status == "FAILED"
    assert client.get_run(run.run_id).data.tags["error"].startswith("DivergedError: xxx")
    reopen_run(run)
    assert client.get_run(run.run_id).info.status == "RUNNING"
    assert "error" not in client.get_run(run.run_id).data.tags


def test_the_parameters_of_a_run_read_back(tracker: Tracker, run: RunRef) -> None:
    params = load_params([], ["training.seed=77", "sampling.prime=ROMEO:", "data.sources=['/a/play.txt']"])
    tracker.text(to_yaml(params), PARAMS_FILE)
    tracker.finish("FINISHED")
    assert run_params(run) == params


def test_a_run_that_ended_before_its_parameters_were_kept_has_none(run: RunRef) -> None:
    assert run_params(run) is None


def test_a_run_of_another_program_is_not_one_to_go_on_with(store: Params, client: MlflowClient) -> None:
    run_id = client.create_run(experiment_of(store).open()).info.run_id
    with pytest.raises(TrackingError) as caught:
        run_params(experiment_of(store).find_run(run_id))
    assert one_line(caught.value).startswith(f"run {run_id}: has no params.yaml")
