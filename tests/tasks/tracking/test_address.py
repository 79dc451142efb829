"""Which store the parameters name."""

import pytest

from charrnn.config.loading import PROJECT
from charrnn.config.schema import Params
from charrnn.errors import TrackingError
from tasks.tracking.address import tracking_uri
from tests.tasks.tracking.places import at_store


def test_the_parameter_names_the_store_then_the_environment_then_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = Params().tracking
    assert tracking_uri(unset) == f"sqlite:///{PROJECT}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://from.the.environment")
    assert tracking_uri(unset) == "http://from.the.environment"
    assert tracking_uri(at_store("http://from.the.parameters").tracking) == "http://from.the.parameters"


def test_a_path_that_mlflow_would_mistake_for_another_is_refused() -> None:
    with pytest.raises(TrackingError, match=r"^tracking\.uri sqlite:////there/f\\xef/mlflow\.db: must be Unicode text"):
        tracking_uri(at_store("sqlite:////there/f\udcef/mlflow.db").tracking)
