"""A run in the store of the session, what reports on it, and a client to read it with."""

import pytest
from mlflow import MlflowClient

from charrnn.config.schema import Params
from tasks.tracking.runs import RunRef
from tasks.tracking.tracker import Tracker
from tests.workplace import start_run


@pytest.fixture
def client(store: Params) -> MlflowClient:
    return MlflowClient(tracking_uri=str(store.tracking.uri))


@pytest.fixture
def run(store: Params) -> RunRef:
    return start_run(store, "a run", {"kind": "test"})


@pytest.fixture
def tracker(run: RunRef) -> Tracker:
    return Tracker(run)
