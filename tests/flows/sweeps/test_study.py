"""The study of a sweep, in a real database: what it chooses, what it keeps, which trials it ends early."""

import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.config.space import parse_space
from charrnn.data.folder import DataFolder
from charrnn.errors import ParamsError, TrackingError
from charrnn.stopping import StopRequest
from flows.sweeps.board import tally, trial_table
from flows.sweeps.patience import Stopping
from flows.sweeps.plan import Plan, Pruner
from flows.sweeps.storage import study_address
from flows.sweeps.study import Outcome, Study, check_storage

SPACE = """
model.cell: [lstm, gru]
model.hidden_size: {low: 8, high: 64, step: 8}
model.forget_bias: {low: 0, high: 2, when: {model.cell: lstm}}
model.embedding_size: [null, 16]
training.learning_rate: {low: 0.001, high: 0.1, log: true}
"""


def open_study(folder: Path, *, is_new: bool = True, pruner: Pruner = "median") -> Study:
    plan = Plan(load_params(), parse_space(SPACE, "space.yaml", Params()), 10, pruner)
    return Study(f"sqlite:///{folder}/sweeps.db", "a sweep", plan, Stopping(StopRequest()), is_new=is_new)


def test_a_sweep_that_was_interrupted_chooses_what_it_would_have(tmp_path: Path) -> None:
    whole = open_study(tmp_path / "whole")
    chosen = []
    for number in range(4):
        chosen.append(whole.begin())
        whole.end(number, Outcome("finished", 3 - number / 10))
    again = []
    for number in range(4):
        # A process each, which dies after the trial has begun, and one that goes on with it.
        open_study(tmp_path / "parts").begin()
        study = open_study(tmp_path / "parts", is_new=False)
        again.append(study.begin())
        study.end(number, Outcome("finished", 3 - number / 10))
    assert again == chosen
    assert len({str(one.values) for one in chosen}) == 4


def test_a_parameter_is_chosen_only_where_its_condition_holds(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    found = [study.begin().values for _ in range(6)]
    assert {values["model.cell"] for values in found} == {"lstm", "gru"}
    assert all(("model.forget_bias" in values) == (values["model.cell"] == "lstm") for values in found)
    assert all(values["model.hidden_size"] in range(8, 65, 8) for values in found)


def test_a_trial_counts_once_however_it_has_ended(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    outcomes = [Outcome("finished", 2.5), Outcome("failed", reason="diverged"), Outcome("pruned", 2.9)]
    for outcome in outcomes:
        number = study.begin().number
        study.report(number, 1, 3.0)
        study.end(number, outcome)
        study.end(number, Outcome("finished", 0.1))  # told once more: the first counts
        study.end(number, Outcome("failed", reason="told late"))
    study = open_study(tmp_path, is_new=False)
    assert not study.has_more(3)
    assert study.has_more(4)
    assert tally(study.trials()) == "3 trials (1 finished, 1 pruned, 1 failed)"
    best, loss = study.best()
    assert best is not None
    assert (best.number, loss) == (0, 2.5)
    table = trial_table(study.trials())
    assert list(table["state"]) == ["finished", "failed", "pruned"]
    assert list(table["reason"]) == ["", "diverged", ""]
    assert table["lowest val/loss"].fillna(0).tolist() == [2.5, 0, 2.9]


@pytest.mark.parametrize(("pruner", "early"), [("median", True), ("halving", True), ("none", False)])
def test_a_trial_far_behind_the_others_is_ended_early(tmp_path: Path, pruner: Pruner, early: bool) -> None:
    study = open_study(tmp_path, pruner=pruner)
    for _ in range(5):
        number = study.begin().number
        for part in (1, 3, 9):
            study.report(number, part, 3 - part / 10)
        study.end(number, Outcome("finished", 2.0))
    hopeless = [study.begin().number for _ in range(2)]
    assert any(study.report(number, part, 9.0) for number in hopeless for part in (1, 3, 9)) is early
    assert not study.report(hopeless[0], 10, 9.0)  # it is over anyway


def test_a_study_that_is_elsewhere_is_not_begun_anew(tmp_path: Path) -> None:
    open_study(tmp_path / "here").begin()
    with pytest.raises(TrackingError, match=r"^--storage: sqlite:.*/elsewhere/sweeps.db has no study of sweep a sweep"):
        open_study(tmp_path / "elsewhere", is_new=False)


def test_the_study_is_beside_the_tables_of_mlflow_and_leaves_them_alone(store: Params) -> None:
    uri = str(store.tracking.uri)
    folder = Path(uri.removeprefix("sqlite:///")).parent
    assert study_address(None, uri, DataFolder(folder / "data")) == f"sqlite:///{folder}/sweeps.db"
    open_study(folder).begin()
    assert MlflowClient(uri).get_experiment_by_name(store.tracking.experiment) is not None
    with sqlite3.connect(folder / "mlflow.db") as database:
        assert not database.execute("SELECT name FROM sqlite_master WHERE name = 'trials'").fetchall()


def test_where_mlflow_is_a_server_the_study_is_in_the_data_folder_or_where_a_person_says(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    assert study_address(None, "http://127.0.0.1:5000", data) == f"sqlite:///{tmp_path}/sweeps/sweeps.db"
    assert study_address(None, "postgresql://me:hunter2@host/mlflow", data) == "postgresql://me:hunter2@host/mlflow"
    assert study_address("sqlite:///own.db", "http://127.0.0.1:5000", data) == "sqlite:///own.db"
    with pytest.raises(ParamsError, match=r"^--storage: must be a database such as .*, got redis://\*\*\*@host"):
        study_address("redis://me:hunter2@host", "http://127.0.0.1:5000", data)
    assert study_address(None, "mysql://host/mlflow", data) == f"sqlite:///{tmp_path}/sweeps/sweeps.db"


def test_an_address_with_credentials_is_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "postgresql://me:hunter2@host/sweeps"
    with pytest.raises(ParamsError, match=r"^--storage: has credentials, .* put the address into CHARRNN_SWEEP_STOR"):
        study_address(address, "http://127.0.0.1:5000", DataFolder(tmp_path))
    monkeypatch.setenv("CHARRNN_SWEEP_STORAGE", address)
    assert study_address(None, "http://127.0.0.1:5000", DataFolder(tmp_path)) == address


def test_a_database_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for address in ("mysql+nosuchdriver://host/a", "mysql+cymysql://host/a", f"sqlite:///{tmp_path}/file/a.db"):
        with pytest.raises(ParamsError, match=r"^--storage .*: cannot be opened: .+$"):
            check_storage(address, Stopping(StopRequest()))


def test_the_database_of_mlflow_gets_no_study(store: Params) -> None:
    address = str(store.tracking.uri)
    MlflowClient(address).search_experiments()
    with pytest.raises(ParamsError, match=r"is the database of another program, such as MLflow"):
        check_storage(address, Stopping(StopRequest()))
    with sqlite3.connect(address.removeprefix("sqlite:///")) as database:
        assert not database.execute("SELECT name FROM sqlite_master WHERE name = 'studies'").fetchall()
