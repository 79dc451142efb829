"""A place to run the whole pipeline in, and ways to call the command lines. Loads Prefect and MLflow."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from mlflow import MlflowClient
from prefect.settings import PREFECT_API_URL

from charrnn.config.loading import PROJECT
from charrnn.config.schema import Params
from flows.cli.app import run
from flows.summary import Summary
from tasks.tracking.mlflow import Experiment
from tasks.tracking.runs import RunRef

SMOKE = PROJECT / "params" / "smoke.yaml"


@dataclass(frozen=True)
class Workplace:
    """A data folder, a store and a text of its own, and the options that point the pipeline there."""

    folder: Path
    text: Path
    api_url: str
    data: Path | None = None

    @property
    def data_folder(self) -> Path:
        return self.data or self.folder / "the data"

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder}/runs here/mlflow.db"

    @property
    def overrides(self) -> list[str]:
        return [
            f"data.sources=['{self.text}']",
            f"data.directory={self.data_folder}",
            f"tracking.uri={self.uri}",
            "tasks.retries=0",
            "report.seconds=0",  # seconds of computing: a test that is about the report asks for it
            "drift.action=ignore",  # depends on who is champion by then: a test that is about drift asks for it
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

    def runs(self, experiment: str | None = None) -> list[str]:
        """Return the runs in the store, or those of one experiment."""
        if not (self.folder / "runs here" / "mlflow.db").exists():
            return []
        found = self.client.search_experiments()
        experiments = [item.experiment_id for item in found if experiment in (None, item.name)]
        if not experiments:
            return []
        return [run.info.run_id for run in self.client.search_runs(experiments)]

    def unfinished_files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.name.endswith(".part")]

    def environment(self) -> dict[str, str]:
        """Return a script's environment: with the Prefect server of the tests, or none where `api_url` is empty."""
        return {**os.environ, **({"PREFECT_API_URL": self.api_url} if self.api_url else {})}

    def start(
        self,
        *arguments: str,
        script: str = "pipeline",
        cwd: Path | None = None,
        new_session: bool = False,
        python: Sequence[str] = (),
    ) -> subprocess.Popen[str]:
        """Start the script in a process of its own, as a user would.

        Args:
            arguments: of the script.
            script: its name in `flows/`.
            cwd: where it is started; the workplace's folder without.
            new_session: as from a terminal of its own.
            python: what Python is to run with the script as its argument, instead of the script.
        """
        return subprocess.Popen(
            [sys.executable, *python, str(PROJECT / "flows" / f"{script}.py"), *arguments],
            cwd=cwd or self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=new_session,
        )


def start_run(params: Params, name: str, tags: Mapping[str, str]) -> RunRef:
    """Start a run of this process where `params` say, without its pipeline."""
    return Experiment(params.tracking, params.data).start_run(name, tags)


def log_lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yield the lines of a started script's log, each as soon as it is there."""
    assert process.stderr is not None
    return iter(process.stderr.readline, "")


@dataclass(frozen=True)
class Called:
    """What a command line answered."""

    code: int
    out: str
    err: str


def captured(*arguments: str) -> Called:
    """Call `charrnn` in this process, without its imports' seconds."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run(arguments)
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Called(code, out.getvalue(), err.getvalue())


def call(*arguments: str) -> Called:
    """Call `charrnn train`, which starts no Prefect server beside that of the tests."""
    named = {"PREFECT_API_URL": url} if (url := PREFECT_API_URL.value()) else {}
    with patch.dict(os.environ, named):
        return captured("train", *arguments)


def call_sample(*arguments: str) -> Called:
    """Call `charrnn sample`."""
    return captured("sample", *arguments)


def call_sync(*arguments: str) -> Called:
    """Call `charrnn sync`."""
    return captured("sync", *arguments)


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
        return self.workplace.data_folder / "checkpoints" / self.run_id
