"""Which store the parameters name."""

from pathlib import Path

import pytest

from charrnn.config.loading import PROJECT
from charrnn.config.schema import Params
from charrnn.config.sqlite_address import sqlite_address, sqlite_file
from charrnn.errors import TrackingError
from tasks.tracking.address import tracking_uri
from tests.source_fixtures import one_line
from tests.tasks.tracking.places import at_store


def test_the_parameter_names_the_store_then_the_environment_then_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = Params().tracking
    assert tracking_uri(unset) == f"sqlite:///{PROJECT}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://from.the.environment")
    assert tracking_uri(unset) == "http://from.the.environment"
    assert tracking_uri(at_store("http://from.the.parameters").tracking) == "http://from.the.parameters"


def test_the_store_of_a_project_in_any_folder_is_in_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "what? #%41"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("charrnn.config.loading.BASE_FILE", folder / "params.yaml")
    assert sqlite_file(tracking_uri(Params().tracking)) == folder / "mlruns" / "mlflow.db"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:////there/f\udcef/mlflow.db", r"sqlite:////there/f\xef/mlflow.db"),
        (sqlite_address("/f\udcef?/mlflow.db"), "sqlite+pysqlite:///file:/f%EF%3F/mlflow.db?uri=true"),
    ],
)
def test_a_path_that_mlflow_would_mistake_for_another_is_refused(uri: str, shown: str) -> None:
    with pytest.raises(TrackingError) as caught:
        tracking_uri(at_store(uri).tracking)
    assert one_line(caught.value).startswith(f"tracking.uri {shown}: must be Unicode text")
