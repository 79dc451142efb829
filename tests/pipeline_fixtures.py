"""A made-up play, one smoke run of the whole pipeline on it, and ways to call the command line."""

import contextlib
import io
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from charrnn.param_files import PROJECT, load_params
from charrnn.params import Params
from flows.command_line import guarded, sample_parser
from flows.pipeline import main, pipeline
from flows.preflight import preflight
from flows.sample import main as sample_main
from tasks.summary import Summary

SMOKE = PROJECT / "params" / "smoke.yaml"


def made_up_play(characters: int, seed: int = 0) -> str:
    draw = random.Random(seed)
    words = ["the", "king", "shall", "see", "what", "my", "good", "lord", "hath", "done", "this", "night", "and"]
    words += ["all", "her", "men", "know", "where", "love", "is", "not"]
    speakers = ["FIRST LORD", "QUEEN", "A MESSENGER"]
    text = ""
    while len(text) < characters:
        lines = [" ".join(draw.choices(words, k=draw.randint(3, 8))).capitalize() + "," for _ in range(3)]
        text += f"{draw.choice(speakers)}:\n" + "\n".join(lines) + "\n\n"
    return text[:characters]


@dataclass(frozen=True)
class Workplace:
    """A data folder, a store and a text of its own, and the options that point the pipeline there."""

    folder: Path
    text: Path
    api_url: str

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder}/runs here/mlflow.db"

    @property
    def overrides(self) -> list[str]:
        return [
            f"data.sources=['{self.text}']",
            f"data.directory={self.folder}/the data",
            f"tracking.uri={self.uri}",
            "tasks.retries=0",
        ]

    @property
    def options(self) -> list[str]:
        return ["--params", str(SMOKE), *self.places]

    @property
    def places(self) -> list[str]:
        return [part for text in self.overrides for part in ("--set", text)]

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri)

    def runs(self) -> list[str]:
        if not (self.folder / "runs here" / "mlflow.db").exists():
            return []
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        return [run.info.run_id for run in self.client.search_runs(experiments)]

    def unfinished_files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.name.endswith(".part")]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PREFECT_API_URL": self.api_url}

    def start(self, *arguments: str, script: str = "pipeline", cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start the script in a process of its own, as a user would."""
        return subprocess.Popen(
            [sys.executable, str(PROJECT / "flows" / f"{script}.py"), *arguments],
            cwd=cwd or self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@dataclass(frozen=True)
class Called:
    """What a command line answered."""

    code: int
    out: str
    err: str


def call(*arguments: str) -> Called:
    """Call the pipeline's command line in this process: what the script does, without its imports' seconds."""

    def script() -> int:
        parsed = preflight(list(arguments))
        return guarded(lambda: main(parsed))

    return _called(script)


def call_sample(*arguments: str) -> Called:
    """Call the command line of `flows/sample.py` in this process."""

    def script() -> int:
        parsed = sample_parser().parse_args(arguments)
        return guarded(lambda: sample_main(parsed))

    return _called(script)


def _called(script: Callable[[], int]) -> Called:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = script()
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Called(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def api_url() -> Iterator[str]:
    """A real Prefect server with an empty database, for the whole session."""
    with prefect_test_harness(server_startup_timeout=180):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """Parameters that point to one SQLite store for all tests that only need runs of their own in it."""
    folder = tmp_path_factory.mktemp("a store")
    return load_params([], [f"tracking.uri=sqlite:///{folder}/mlflow.db"])


@pytest.fixture
def workplace(tmp_path: Path, api_url: str) -> Workplace:
    text = tmp_path / "a play.txt"
    text.write_text(made_up_play(20_000), encoding="utf-8")
    return Workplace(tmp_path, text, api_url)


@dataclass(frozen=True)
class Finished:
    """A run of the whole flow that has ended, and where it was made."""

    workplace: Workplace
    summary: Summary

    @property
    def run_id(self) -> str:
        return self.summary.run.run_id

    @property
    def checkpoints(self) -> Path:
        return self.workplace.folder / "the data" / "checkpoints" / self.run_id


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> Finished:
    folder = tmp_path_factory.mktemp("a finished run")
    text = folder / "a play.txt"
    text.write_text(made_up_play(60_000), encoding="utf-8")
    workplace = Workplace(folder, text, api_url)
    return Finished(workplace, pipeline(overlays=[str(SMOKE)], overrides=workplace.overrides))
