"""Settings of the test session: nothing outside it is read or written, Prefect's log stays quiet, one CPU thread."""

import atexit
import gc
import os
import runpy
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from charrnn.config.schema import Params
    from tests.workplace import Finished, Workplace

# Whatever makes a temporary file, here or in a process of a test that is killed: it goes when the session ends. The
# folders of pytest's own, which tell what a test that failed left, stay where pytest has them.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
TEMPORARY = tempfile.mkdtemp(prefix="charrnn-tests-")
# Registered first, so that it is the last: others still hold folders of theirs in it.
atexit.register(shutil.rmtree, TEMPORARY, ignore_errors=True)
os.chmod(TEMPORARY, 0o711)  # others may pass: PostgreSQL does not run as root
os.environ["TMPDIR"] = tempfile.tempdir = TEMPORARY

# ONNX Runtime tells its maker of each process that loads it, through the proxy that a test may have set by then.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# What is imported stays: to look through it for garbage takes a part of the time.
gc.set_threshold(50_000)

# Read when prefect and mlflow are imported, so before any test module is.
os.environ["PREFECT_HOME"] = f"{TEMPORARY}/prefect"
os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
# The models of the tests are so small that threads only wait for each other. Read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
for name in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
    os.environ.pop(name, None)

# The project's own settings, before prefect reads its environment. Run, not imported: tests of the library must not
# load `tasks`.
runpy.run_path(str(Path(__file__).parent.parent / "tasks" / "__init__.py"))

pytest_plugins = ["tests.source_fixtures", "tests.browser"]

# A busy machine is no failure. What lands a change is given the same examples each time; `make faults` draws new ones.
settings.register_profile("charrnn", deadline=None, derandomize="CHARRNN_FAULTS" not in os.environ)
settings.load_profile("charrnn")


# Fixtures of whole pipelines import what they need when they are asked for: tests of the library load neither Prefect
# nor MLflow.


@pytest.fixture(scope="session")
def api_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prefect server with an empty database, for the whole session.

    It is the temporary server that a run starts where no other is named: nobody can take its port before it listens,
    and its log is kept.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from charrnn.data.folder import DataFolder
    from flows.servers.temporary_process import start_server

    process = start_server(DataFolder(tmp_path_factory.mktemp("a server")))
    assert process is not None
    assert process.wait(180) == ""
    with temporary_settings({PREFECT_API_URL: process.url}):
        yield process.url


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> "Params":
    """Parameters that point to one SQLite store, which is there, for tests that only need runs of their own in it."""
    from charrnn.config.loading import load_params
    from tasks.tracking.mlflow import Experiment

    folder = tmp_path_factory.mktemp("a store")
    params = load_params([], [f"tracking.uri=sqlite:///{folder}/mlflow.db", f"data.directory={folder}/data"])
    Experiment(params.tracking, params.data).open()
    return params


@pytest.fixture
def workplace(tmp_path: Path, api_url: str) -> "Workplace":
    from tests.texts import made_up_play
    from tests.workplace import Workplace

    text = tmp_path / "a play.txt"
    text.write_text(made_up_play(20_000), encoding="utf-8")
    return Workplace(tmp_path, text, api_url)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> "Finished":
    from flows.pipeline import pipeline
    from tests.texts import made_up_play
    from tests.workplace import SMOKE, Finished, Workplace

    folder = tmp_path_factory.mktemp("a finished run")
    text = folder / "a play.txt"
    text.write_text(made_up_play(60_000), encoding="utf-8")
    workplace = Workplace(folder, text, api_url)
    return Finished(workplace, pipeline(overlays=[str(SMOKE)], overrides=[*workplace.overrides, "report.seconds=10"]))
