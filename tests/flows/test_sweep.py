"""Sweeps of real runs, in processes of their own: killed and stopped they go on, and count each trial once."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock
from mlflow.entities import Run
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed

from charrnn.config.loading import load_params
from charrnn.stopping import StopRequest
from flows.sweep import sweep
from flows.sweeps.children import Children
from flows.sweeps.deployed import DeployedTrial, Server
from flows.sweeps.local import LocalLauncher
from flows.sweeps.patience import Stopping
from flows.sweeps.trial import Surroundings, run_trial
from tasks.tracking.mlflow import Experiment
from tasks.tracking.processes import is_running
from tasks.tracking.runs import SWEEP_RUN_TAG, SWEEP_TAG, TRIAL_STATE_TAG, TRIAL_TAG, RunRef
from tests.workplace import SMOKE, Called, Workplace, captured, log_lines

SPACE = "model.hidden_size: [16, 24, 32]\ntraining.learning_rate: {low: 0.002, high: 0.02, log: true}\n"
PATIENCE = 120.0


@pytest.fixture
def space(tmp_path: Path) -> str:
    path = tmp_path / "a space.yaml"
    path.write_text(SPACE)
    return str(path)


def until(found: Callable[[], Any], what: str) -> Any:
    """Return what `found` gives once it is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.2)
    pytest.fail(f"not in time: {what}")


def all_runs(workplace: Workplace) -> list[Run]:
    if not workplace.runs():
        return []
    found = workplace.client.search_experiments()
    return list(workplace.client.search_runs([one.experiment_id for one in found]))


def trials_of(workplace: Workplace) -> dict[str, Run]:
    """Return the runs of the trials by number; none has two."""
    found = [run for run in all_runs(workplace) if TRIAL_TAG in run.data.tags]
    by_number = {run.data.tags[TRIAL_TAG]: run for run in found}
    assert len(by_number) == len(found), [run.data.tags for run in found]
    return by_number


def sweeps_of(workplace: Workplace) -> list[Run]:
    return [run for run in all_runs(workplace) if SWEEP_TAG in run.data.tags]


def one_at_work(workplace: Workplace) -> psutil.Process | None:
    """Return the process of a trial that has trained for some steps and still does."""
    for run in trials_of(workplace).values():
        at_work = run.info.status == "RUNNING" and 0 < run.data.metrics.get("train/progress", 0) < 1
        # The tags are those of the process before, for a moment, whose number another one may have by now.
        if at_work and is_running(run.data.tags):
            return psutil.Process(int(run.data.tags["charrnn.pid"]))
    return None


@contextmanager
def sweeping(workplace: Workplace, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `charrnn sweep` as from a terminal of its own while the block runs."""
    process = workplace.start(*arguments, script="sweep", new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.timeout(900)
def test_a_sweep_that_is_stopped_and_killed_goes_on_and_has_each_trial_once(workplace: Workplace, space: str) -> None:
    long = [
        "--set",
        "training.max_steps=2000",
        "--set",
        "evaluation.every_steps=100",
        "--set",
        "checkpoint.every_steps=100",
    ]
    begun = [*workplace.options, *long, "--space", space, "--trials", "3", "--workers", "2"]
    on = ["--resume", "last", *workplace.places[4:6], "--workers", "2"]
    on += ["--set", f"data.directory={workplace.data_folder}"]
    with sweeping(workplace, *begun) as process:
        until(lambda: process.poll() is not None or one_at_work(workplace), "a trial at work")
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130, log
        (sweep,) = sweeps_of(workplace)
        assert f"go on with: python flows/sweep.py --resume {sweep.info.run_id}" in log
        assert "Traceback" not in log
    assert {run.info.status for run in all_runs(workplace)} == {"KILLED"}
    with sweeping(workplace, *on) as process:
        until(lambda: one_at_work(workplace), "a trial at work").kill()  # it goes on by itself
        until(lambda: one_at_work(workplace), "a trial at work")
        os.kill(process.pid, signal.SIGKILL)
    with sweeping(workplace, *on) as process:
        out, log = process.communicate(timeout=2 * PATIENCE)
        assert process.returncode == 0, log
    (sweep,) = sweeps_of(workplace)
    trials = trials_of(workplace)
    assert sorted(trials) == ["0", "1", "2"]
    assert sweep.info.status == "FINISHED"
    for run in trials.values():
        assert run.data.tags[SWEEP_RUN_TAG] == sweep.info.run_id
        assert (run.info.status, run.data.tags[TRIAL_STATE_TAG]) == ("FINISHED", "finished")
        steps = Counter(row.step for row in workplace.client.get_metric_history(run.info.run_id, "train/loss"))
        assert steps == Counter(range(1, 2001))  # none is lost, none is there twice
    losses = [
        min(row.value for row in workplace.client.get_metric_history(run.info.run_id, "val/loss"))
        for run in trials.values()
    ]
    assert sweep.data.metrics["best/val_loss"] == min(losses)
    assert "trials      3 trials (3 finished)" in out
    artifacts = {item.path for item in workplace.client.list_artifacts(sweep.info.run_id)}
    assert {"trials.json", "pictures", "sweep"} <= artifacts
    commands = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    assert not [one for one in commands if "local_program.py" in one and str(workplace.folder) in one]


def test_a_stop_while_the_run_is_started_stops_the_sweep(
    workplace: Workplace, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Experiment.start_run

    def stopped_meanwhile(*arguments: Any) -> RunRef:
        signal.raise_signal(signal.SIGINT)
        return start(*arguments)

    monkeypatch.setattr(Experiment, "start_run", stopped_meanwhile)
    with pytest.raises(KeyboardInterrupt):
        sweep(space=space, trials=1, overlays=[str(SMOKE)], overrides=workplace.overrides)
    (run,) = all_runs(workplace)
    assert run.info.status == "KILLED"


@pytest.fixture
def around(workplace: Workplace) -> Surroundings:
    """What a trial of a sweep needs, without the sweep."""
    params = load_params([SMOKE], workplace.overrides)
    experiment = Experiment(params.tracking, params.data)
    sweep = experiment.start_run("a sweep", {SWEEP_TAG: "1"})
    stopping = Stopping(StopRequest())
    environment = {"MLFLOW_TRACKING_URI": workplace.uri, "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    launcher = LocalLauncher(workplace.folder / "logs", environment)
    return Surroundings(Children(experiment, sweep, stopping), launcher, stopping, 0)


def overrides_of(workplace: Workplace, around: Surroundings, *changes: str) -> list[str]:
    smoke = ["model.hidden_size=16", "training.batch_size=8", "training.seq_length=25", "training.max_minutes=null"]
    sweep: RunRef = around.children._sweep
    tags = [f"tracking.tags.{SWEEP_RUN_TAG}={sweep.run_id}", f"tracking.tags.{TRIAL_TAG}=0"]
    return [*workplace.overrides, *smoke, *tags, "tracking.registered_model=null", *changes]


def test_a_pruned_trial_is_ended_and_keeps_its_curve(workplace: Workplace, around: Surroundings) -> None:
    told: list[tuple[int, float]] = []

    def report(part: int, loss: float) -> bool:
        told.append((part, loss))
        return True

    long = ["training.max_steps=50000", "evaluation.every_steps=500", "evaluation.max_characters=2000"]
    run, outcome = run_trial(around, "0", overrides_of(workplace, around, *long), report)
    assert run is not None
    assert outcome is not None
    assert outcome.state == "pruned"
    found = workplace.client.get_run(run.run_id)
    assert found.info.status == "KILLED"
    curve = [row.value for row in workplace.client.get_metric_history(run.run_id, "val/loss")]
    assert told == [(1, curve[0])]
    assert outcome.loss == min(curve)
    assert found.data.metrics["train/progress"] < 1


def test_a_trial_that_diverges_has_failed_and_says_so(workplace: Workplace, around: Surroundings) -> None:
    diverging = [
        "training.max_steps=50",
        "training.learning_rate=1e30",
        "training.optimizer=sgd",
        "training.max_rollbacks=0",
    ]
    run, outcome = run_trial(around, "0", overrides_of(workplace, around, *diverging), lambda part, loss: False)
    assert run is not None
    assert workplace.client.get_run(run.run_id).info.status == "FAILED"
    assert outcome is not None
    assert outcome.state == "failed"
    assert "diverged" in outcome.reason


def test_a_sweep_that_waits_for_the_trial_of_a_killed_one_can_be_stopped(
    workplace: Workplace, around: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    folder = workplace.folder / "logs"
    folder.mkdir()
    caplog.set_level("INFO", logger="charrnn")
    around.stopping.set()
    with FileLock(folder / ".trial-0.lock"):  # as the process of a trial that was halted has it
        assert run_trial(around, "0", [], lambda part, loss: False) == (None, None)
    assert "waits for the end" in caplog.text


@flow
def trained() -> None:
    """Is never run: its state is set."""


class AtAWorker:
    """Has each trial run by a worker, which was done at once."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def launch(self, trial: str, overrides: Sequence[str], resume: str | None) -> DeployedTrial:
        with get_client(sync_client=True) as client:
            return DeployedTrial(self.server, trial, client.create_flow_run(trained, state=Completed()))

    def is_settled(self, trial: str) -> bool:
        return True


def test_a_deployed_trial_whose_end_the_store_has_not_heard_of_has_failed_and_says_what_to_do(
    workplace: Workplace, around: Surroundings
) -> None:
    params = load_params([SMOKE], workplace.overrides)
    tags = {SWEEP_RUN_TAG: around.children._sweep.run_id, TRIAL_TAG: "0"}
    Experiment(params.tracking, params.data).start_run("trial 0", tags)
    there = replace(around, launcher=AtAWorker(Server(around.stopping)))
    _, outcome = run_trial(there, "0", [], lambda part, loss: False)
    assert outcome is not None
    assert outcome.state == "failed"
    assert outcome.reason.startswith("its run has no end in MLflow")


def test_the_best_is_registered_and_its_name_and_version_are_told(workplace: Workplace, space: str) -> None:
    short = ["training.max_steps=20", "tracking.registered_model=best of all", "evaluation.adaptive_seconds=0"]
    options = [part for text in short for part in ("--set", text)]
    with sweeping(workplace, *workplace.options, *options, "--space", space, "--trials", "1", "--register") as process:
        out, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, log
    (version,) = workplace.client.search_model_versions("name = 'best of all'")
    assert f"registered  best of all version 1, run {version.run_id}\n" in out
    assert trials_of(workplace)["best-0"].info.run_id == version.run_id


def one_line(answer: Called) -> str:
    assert (answer.code, answer.out) == (2, ""), answer.err
    (line,) = answer.err.splitlines()
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("--trials 0", "--trials: must be >= 1, got 0"),
        ("--workers 0", "--workers: must be >= 1, got 0"),
        ("--pruner medium", "--pruner: must be median, hyperband, halving or none, got medium"),
        ("--set splits.val_fraction=0", "splits.val_fraction: must be > 0, since val/loss compares the trials"),
        ("--register --set tracking.registered_model=null", "--register: needs a name in tracking.registered_model"),
        (
            "--storage redis://me:hunter2@host",
            "--storage: must be a database such as sqlite:///sweeps.db, got redis://***",
        ),
        ("--storage mysql://me:hunter2@host/a", "--storage: has credentials, which would be recorded; put the address"),
        ("--set data.sources=[/nowhere.txt]", "no source of text answers"),
        ("--set data.sources=[https://me:hunter2@host/a.txt]", "data.sources: has credentials"),
        ("--set model.hiden_size=1", "--set: model.hiden_size: unknown parameter; did you mean model.hidden_size?"),
    ],
)
def test_bad_input_is_one_line_before_anything_starts(
    workplace: Workplace, space: str, arguments: str, line: str
) -> None:
    answer = captured("sweep", *workplace.options, "--space", space, *arguments.split())
    assert one_line(answer).startswith(line)
    assert not (workplace.folder / "runs here").exists()
    assert not workplace.data_folder.exists()


def test_a_sweep_that_waits_for_its_store_ends_at_ctrl_c_as_one_that_was_stopped(
    workplace: Workplace, space: str
) -> None:
    pytest.importorskip("psycopg2")  # else the address is refused at once
    nobody = "postgresql+psycopg2://127.0.0.1:1/sweeps"
    with sweeping(workplace, *workplace.options, "--space", space, "--storage", nobody) as process:
        assert any("the sweep waits" in line for line in log_lines(process))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def test_a_sweep_needs_a_space_or_a_sweep_to_go_on_with(workplace: Workplace) -> None:
    assert one_line(captured("sweep", *workplace.options)).startswith("--space: must name the file")
    assert "is not there yet" in one_line(captured("sweep", *workplace.options, "--resume", "last"))


def test_a_sweep_goes_on_as_the_same_in_one_process_or_says_what_differs(workplace: Workplace, space: str) -> None:
    from flows.sweeps.plan import read_plan
    from flows.sweeps.record import held, record_plan, recorded_plan, sweep_tags
    from tasks.tracking.tracker import Tracker

    files, changes = [str(SMOKE)], workplace.overrides
    plan = read_plan(space, files, changes, trials=2, pruner="median", register=False)
    run = Experiment(plan.base.tracking, plan.base.data).start_run("a sweep", sweep_tags(plan))
    record_plan(run, plan, f"sqlite:///{workplace.folder / 'elsewhere.db'}")
    Tracker(run).finish("KILLED")
    other = workplace.folder / "other.yaml"
    other.write_text(SPACE.replace("[16, 24, 32]", "[16, 24]"))
    on = [*workplace.options, "--resume", run.run_id]
    found = one_line(captured("sweep", *on, "--space", str(other)))
    assert found.endswith(f"of sweep {run.run_id}: model.hidden_size (was [16, 24, 32], now [16, 24])")
    found = one_line(captured("sweep", *on, "--set", "training.seed=2"))
    assert found.endswith("these differ: training.seed (was 1, now 2)")
    found = one_line(captured("sweep", *on, "--pruner", "medium"))
    assert found == "--pruner: must be median, hyperband, halving or none, got medium"
    found = one_line(captured("sweep", *on, "--trials", "1"))
    assert found == f"--trials: must be at least 2, as many as sweep {run.run_id} is to have, got 1"
    # Where things are, how often a trial goes on, and what ends it early may be others: they are taken.
    moved = [*changes, f"data.directory={workplace.folder / 'moved'}", "tasks.recoveries=7"]
    taken = recorded_plan(run, load_params(files, moved), files, moved, None, 5, "halving")
    assert (taken.base.data.directory, taken.base.tasks.recoveries) == (str(workplace.folder / "moved"), 7)
    assert (taken.pruner, taken.trials) == ("halving", 5)
    assert recorded_plan(run, load_params(files, changes), files, changes, None, None, None) == plan
    with held(run, run.data):
        found = one_line(captured("sweep", *on))
        assert found == f"sweep {run.run_id}: another process runs it; stop that first"
    found = one_line(captured("train", *on))
    assert found == f"run {run.run_id}: is a sweep; it goes on by charrnn sweep --resume {run.run_id}"
