"""Events: what a real Prefect server has heard of models; and that nothing waits for one that is away."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL

from charrnn.config.loading import PROJECT
from tasks.events import announce
from tasks.tracking.runs import RunRef
from tests.texts import made_up_play
from tests.workplace import Workplace, call, captured

FAST = (
    *("training.max_steps=20", "evaluation.adaptive_seconds=0", "sampling.length=20", "data.max_characters=null"),
    "drift.action=warn",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> Workplace:
    folder = tmp_path_factory.mktemp("a workplace")
    (folder / "text.txt").write_text(made_up_play(30_000), encoding="utf-8")
    return Workplace(folder, folder / "text.txt", api_url)


def train(place: Workplace, *changes: str) -> str:
    """Train; return the run's id."""
    call(*place.options, "--quiet", *(part for change in (*FAST, *changes) for part in ("--set", change)))
    return place.runs()[0]


def event(run_id: str, name: str, seconds: float = 60) -> dict[str, Any]:
    """Return the newest event `name` of a run once the server has it."""
    wanted = {"event": {"name": [name]}, "resource": {"id": [f"charrnn.run.{run_id}"]}}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = httpx.post(f"{PREFECT_API_URL.value()}/events/filter", json={"filter": wanted, "limit": 1}).json()
        if found["events"]:
            newest: dict[str, Any] = found["events"][0]
            return newest
        time.sleep(0.2)
    pytest.fail(f"{name} of {run_id} did not arrive")


def test_promoted_is_told_by_the_pipeline_and_by_hand(place: Workplace) -> None:
    first = train(place)
    told = event(first, "charrnn.promoted")
    assert told["payload"] == {"text": "charrnn version 1 is the champion. champion: the first one", "page": ""}
    assert any(one["prefect.resource.role"] == "flow-run" for one in told["related"])
    second = train(place, "tracking.promotion=never")
    answer = captured("promote", "charrnn/2", "--reason", "it is newer", "--set", f"tracking.uri={place.uri}")
    assert answer.code == 0, answer.err
    text = event(second, "charrnn.promoted")["payload"]["text"]
    assert text == "charrnn version 2 is the champion. champion: it is newer"


def test_drift_and_a_diverged_training_are_told(place: Workplace) -> None:
    place.text.write_text("<html>" + made_up_play(30_000), encoding="utf-8")
    run_id = train(place, "training.learning_rate=1e9", "training.max_rollbacks=0", "training.grad_clip=null")
    assert event(run_id, "charrnn.drift")["payload"]["text"].startswith("The text is a page of HTML, which the ")
    assert "diverged" in event(run_id, "charrnn.diverged")["payload"]["text"]


def test_an_event_has_the_page_of_its_run_without_credentials(tmp_path: Path, api_url: str) -> None:
    from charrnn.data.folder import DataFolder

    run = RunRef("https://ada:secret@mlflow.example/", "0" * 32, "7", 0, DataFolder(tmp_path))
    announce("promoted", run, "for https://ada:secret@elsewhere.example")
    payload = event(run.run_id, "charrnn.promoted")["payload"]
    assert "secret" not in str(payload)
    assert payload["page"].endswith(f"mlflow.example/#/experiments/7/runs/{run.run_id}?workflowType=machine_learning")


@pytest.mark.parametrize("server", ["http://127.0.0.1:9/api", ""])
def test_a_server_that_is_away_or_not_named_hears_nothing_and_ends_nothing(server: str) -> None:
    script = """
from pathlib import Path
from charrnn.data.folder import DataFolder
from tasks.events import announce
from tasks.tracking.runs import RunRef
announce("drift", RunRef("sqlite:///x", "0" * 32, "7", 0, DataFolder(Path("x"))), "nobody hears of it")
"""
    environment = {**os.environ, "PREFECT_API_URL": server} if server else dict(os.environ)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Traceback" not in done.stderr
