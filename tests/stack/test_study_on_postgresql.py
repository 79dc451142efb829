"""The study of a sweep in MLflow's own PostgreSQL database, which goes away and comes back."""

import logging
import shutil
import threading

import pytest
from mlflow import MlflowClient

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.config.space import parse_space
from charrnn.stopping import StopRequest
from flows.sweeps.patience import Stopping
from flows.sweeps.plan import Plan
from flows.sweeps.study import Outcome, Study
from tests.stack.database import POSTGRES, Database


@pytest.mark.skipif(not (POSTGRES / "initdb").exists(), reason="has no PostgreSQL")
def test_a_database_that_restarts_is_waited_for_and_mlflow_shares_it(
    caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip("psycopg2")
    database = Database()
    request.addfinalizer(lambda: shutil.rmtree(database.data, ignore_errors=True))
    request.addfinalizer(database.stop)
    uri = database.address("mlflow", "psycopg2")
    plan = Plan(load_params(), parse_space("model.hidden_size: [8, 16]", "space", Params()), 3, "median")
    study = Study(uri, "a sweep", plan, Stopping(StopRequest()), is_new=True)
    MlflowClient(uri).create_experiment("after")
    begun = [study.begin()]
    database.stop()
    later = threading.Timer(3, database.start)
    later.start()
    with caplog.at_level(logging.INFO, "charrnn"):
        begun.append(study.begin())
    later.join()
    study.end(0, Outcome("finished", 2.0))
    again = Study(uri, "a sweep", plan, Stopping(StopRequest()), is_new=False)
    assert [one.number for one in begun] == [0, 1]
    assert again.begin() == begun[1]
    assert again.best()[1] == 2.0
    assert MlflowClient(uri).get_experiment_by_name("after") is not None
    away, back = [record.getMessage() for record in caplog.records if record.name == "charrnn"]
    assert away.startswith("warning   the study in postgresql+psycopg2://***@127.0.0.1")
    assert back == "sweep     the store answers again"
