"""`charrnn prune` on real stores: what is listed, what goes and what stays."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from tasks.tracking.mlflow import artifact_sizes
from tasks.tracking.outbox.messages import SetTags
from tasks.tracking.outbox.queue import Outbox
from tasks.tracking.runs import CHECKPOINTS, RunRef
from tasks.tracking.tracker import Tracker
from tests.workplace import Called, captured, start_run

EVERY = ("best.ckpt", "initial.ckpt", "last.ckpt", "previous.ckpt", "step-00000100.ckpt")
DAY = 24 * 60 * 60 * 1000


@pytest.fixture
def params(store: Params, tmp_path: Path) -> Params:
    places = [f"tracking.uri={store.tracking.uri}", f"data.directory={tmp_path}/data"]
    return load_params([], [*places, f"tracking.experiment={tmp_path.name}"])


def call_prune(params: Params, *arguments: str) -> Called:
    places = [f"tracking.uri={params.tracking.uri}", f"data.directory={params.data.directory}"]
    places.append(f"tracking.experiment={params.tracking.experiment}")
    options = [part for place in places for part in ("--set", place)]
    return captured("prune", *arguments, *options)


def make_run(params: Params, status: str = "FINISHED", names: Sequence[str] = EVERY, days: float = 40) -> RunRef:
    """Make a run with checkpoints here and among its artifacts that ended days ago."""
    run = start_run(params, f"{status} run", {})
    tracker = Tracker(run)
    for name in names:
        path = run.checkpoints / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"w" * 1_000_000)
        tracker.file(path, CHECKPOINTS)
    tracker.text("kept", f"{CHECKPOINTS}/notes.txt")
    tracker.finish(status)
    client = MlflowClient(params.tracking.uri)
    ended = client.get_run(run.run_id).info.end_time
    client.set_terminated(run.run_id, status, int(ended - days * DAY))
    return run


def left(run: RunRef) -> tuple[set[str], set[str]]:
    """Return the checkpoints that are here, and those among the artifacts."""
    here = {path.name for path in run.checkpoints.iterdir()}
    return here, {path.removeprefix(f"{CHECKPOINTS}/") for path in artifact_sizes(run, CHECKPOINTS)} - {"notes.txt"}


def test_nothing_goes_without_delete(params: Params) -> None:
    run = make_run(params)
    answer = call_prune(params)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (
        f"{run.run_id}  8 checkpoints, 8.0 MB  FINISHED run\n8.0 MB of 1 runs could go; --delete deletes them\n"
    )
    assert left(run) == (set(EVERY), set(EVERY))


@pytest.mark.parametrize(
    ("status", "stays"),
    [("FINISHED", {"best.ckpt"}), ("KILLED", set(EVERY[:4])), ("FAILED", set(EVERY[:4]))],
)
def test_the_best_stays_and_what_a_run_needs_to_go_on(params: Params, status: str, stays: set[str]) -> None:
    run = make_run(params, status)
    answer = call_prune(params, "--delete")
    assert answer.out.endswith(" of 1 runs deleted\n")
    assert left(run) == (stays, stays)
    assert f"{CHECKPOINTS}/notes.txt" in artifact_sizes(run, CHECKPOINTS)
    assert call_prune(params, "--delete").out == ("no run that ended more than 30 days ago has a checkpoint to spare\n")


def test_a_run_without_a_best_checkpoint_keeps_its_last(params: Params) -> None:
    run = make_run(params, names=("last.ckpt", "previous.ckpt"))
    call_prune(params, "--delete")
    assert left(run) == ({"last.ckpt"}, {"last.ckpt"})


def test_runs_that_are_recent_or_at_work_are_left_alone(params: Params) -> None:
    recent, running = make_run(params, days=29), make_run(params)
    MlflowClient(params.tracking.uri).update_run(running.run_id, status="RUNNING")
    assert call_prune(params, "--delete").code == 0
    assert left(recent) == left(running) == (set(EVERY), set(EVERY))
    call_prune(params, "--delete", "--older-than", "28")
    assert left(recent) == ({"best.ckpt"}, {"best.ckpt"})
    assert left(running) == (set(EVERY), set(EVERY))


def test_the_champion_keeps_everything(params: Params) -> None:
    champion, other = make_run(params), make_run(params)
    client = MlflowClient(params.tracking.uri)
    client.create_registered_model("pruned")
    for run in (champion, other):
        client.create_model_version("pruned", f"file://{run.checkpoints}", run_id=run.run_id)
    client.set_registered_model_alias("pruned", "champion", "1")
    call_prune(params, "--delete")
    assert left(champion) == (set(EVERY), set(EVERY))
    assert left(other) == ({"best.ckpt"}, {"best.ckpt"})


def test_a_run_that_has_something_to_tell_its_store_is_left_alone(params: Params) -> None:
    run = make_run(params)
    Outbox(run.outbox).append(SetTags({"colour": "red"}), str(params.tracking.uri))
    call_prune(params, "--delete")
    assert left(run) == (set(EVERY), set(EVERY))


def test_an_experiment_that_is_not_there_is_not_made(params: Params) -> None:
    answer = call_prune(params)
    assert (answer.code, answer.err) == (0, "")
    assert MlflowClient(params.tracking.uri).get_experiment_by_name(params.tracking.experiment) is None


@pytest.mark.parametrize("days", ["-1", "nan", "inf"])
def test_days_that_are_none_are_refused(params: Params, days: str) -> None:
    answer = call_prune(params, "--older-than", days)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"error: --older-than: must be a number of days >= 0, got {days}\n"
