r"""Odd names through the whole pipeline: bytes that are no UTF-8, and what an address has to escape.

Files are found again, people read `\xef`.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.logging.handlers import APILogHandler

from charrnn.config.sqlite_address import sqlite_address
from charrnn.undecodable import original
from tasks.tracking.runs import FLOW_RUN_TAG, INIT_FROM_TAG, PARAMS_FILE
from tests.texts import made_up_play
from tests.workplace import SMOKE, call, call_sample, call_sync, captured

ODD = "\udcef"


@dataclass(frozen=True)
class Place:
    """A folder, an overlay in it and texts beside that, all with the byte 0xef in their names."""

    folder: Path
    uri: str

    @property
    def overlay(self) -> Path:
        return self.folder / f"o{ODD}.yaml"

    @property
    def options(self) -> list[str]:
        texts = [f"tracking.uri={self.uri}", f"tracking.experiment=e{ODD}", f"tracking.registered_model=r{ODD}"]
        return ["--params", str(self.overlay), *[part for text in texts for part in ("--set", text)]]

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri)

    @property
    def checkpoints(self) -> Path:
        return self.folder / "here" / "checkpoints"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> Iterator[Place]:
    above = tmp_path_factory.mktemp("odd? #names %41")
    folder = above / f"f{ODD}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("the file system takes no such names")
    (folder / f"zy{ODD}.txt").write_text(made_up_play(10_000), encoding="utf-8")
    (folder / f"zz{ODD} д.txt").write_text(made_up_play(10_000), encoding="utf-8")
    place = Place(folder, sqlite_address(above / "runs" / "mlflow.db"))
    place.overlay.write_text("data: {sources: [z*.txt], directory: here}\ntasks: {retries: 0}\n", encoding="utf-8")
    yield place
    shutil.rmtree(folder)  # pytest cannot print what it does not remove


@pytest.fixture(scope="module")
def run_id(place: Place) -> str:
    """A finished run there."""
    names = ["--name", f"n{ODD}", "--set", f"tracking.tags.a{ODD}=t{ODD}", "--set", f"sampling.prime=a{ODD}"]
    answer = call("--params", str(SMOKE), *place.options, *names)
    assert answer.code == 0, answer.err
    (run_id,) = re.findall(r"^run +(\w+)$", answer.out, re.MULTILINE)
    return str(run_id)


def test_the_store_has_what_people_read(place: Place, run_id: str) -> None:
    run = place.client.get_run(run_id)
    assert run.info.run_name == r"n\xef"
    assert run.data.tags[r"a\xef"] == r"t\xef"
    assert run.data.tags["corpus.source"].endswith(r"f\xef/z*.txt")
    assert run.data.params["data.directory"].endswith(r"/f\xef/here")
    assert run.data.params["sampling.prime"] == r"a\xef"
    assert place.client.get_experiment(run.info.experiment_id).name == r"e\xef"
    assert place.client.get_registered_model(r"r\xef").latest_versions[0].run_id == run_id


def test_prefect_can_run_the_flow_again_with_what_it_has_recorded(place: Place, run_id: str) -> None:
    flow_run_id = place.client.get_run(run_id).data.tags[FLOW_RUN_TAG]
    with get_client(sync_client=True) as client:
        parameters = client.read_flow_run(UUID(flow_run_id)).parameters
    assert original(parameters["overlays"][1]) == str(place.overlay)


def test_the_log_reaches_prefects_server(place: Place, run_id: str) -> None:
    flow_run_id = place.client.get_run(run_id).data.tags[FLOW_RUN_TAG]
    APILogHandler().flush()  # of all handlers
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[UUID(flow_run_id)]))
    with get_client(sync_client=True) as client:
        messages = [line.message for line in client.read_logs(wanted)]
    assert any(line.startswith("download ") and r"f\xef/z*.txt: " in line for line in messages)


def test_a_run_goes_on_with_the_same_files(place: Place, run_id: str) -> None:
    text = Path(place.client.download_artifacts(run_id, PARAMS_FILE)).read_text(encoding="utf-8")
    assert r"f\uDCEF" in text
    options = [f"tracking.uri={place.uri}", f"tracking.experiment=e{ODD}", f"data.directory={place.folder}/here"]
    options += ["training.max_steps=80"]
    answer = call("--resume", run_id, *[part for option in options for part in ("--set", option)])
    assert answer.code == 0, answer.err
    assert r"f\xef/z*.txt" in answer.out


def test_trained_models_are_found_under_such_names(place: Place, run_id: str) -> None:
    file = place.folder / f"c{ODD}.ckpt"
    shutil.copy(place.checkpoints / run_id / "best.ckpt", file)
    for model in (str(file), f"r{ODD}"):
        answer = call_sample(model, "--length", "5", *place.options)
        assert (answer.code, len(answer.out)) == (0, 6), answer.err
    assert captured("promote", f"r{ODD}/1", "--reason", f"x{ODD}", *place.options).code == 0
    answer = call("--params", str(SMOKE), *place.options, "--init-from", str(file), "--set", "training.max_steps=1")
    assert answer.code == 0, answer.err
    (newest, *_) = place.client.search_runs([place.client.get_run(run_id).info.experiment_id], max_results=1)
    assert newest.data.tags[INIT_FROM_TAG].endswith(r"/f\xef/c\xef.ckpt")


def test_commands_name_such_folders(place: Place, run_id: str) -> None:
    answer = call_sync(*place.options)
    assert (answer.code, answer.err) == (0, "")
    assert captured("compare", run_id, *place.options).code == 0


@pytest.mark.parametrize("content", [b"", b"\xff" * 500])
def test_a_bad_file_of_such_a_name_is_one_line(place: Place, content: bytes) -> None:
    bad = place.folder / f"bad{ODD}.txt"
    bad.write_bytes(content)
    # Beside the good ones.
    texts = ["--set", f"data.sources=['{place.folder}/*.txt']"]
    answer = call("--params", str(SMOKE), *place.options, *texts, "--quiet")
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert r"f\xef/bad\xef.txt: is " in line


def test_a_store_under_such_a_name_is_refused_in_one_line(place: Place) -> None:
    answer = call(*place.options, "--set", f"tracking.uri=sqlite:///{place.folder}/mlflow.db", "--quiet")
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert r"f\xef/mlflow.db: must be Unicode text" in line
    assert not (place.folder / "mlflow.db").exists()
