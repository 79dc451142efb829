"""Runs of the real pipeline, stopped at random moments in every phase, are in the end what they would have been."""

import os
import random
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from charrnn.config.loading import PROJECT, load_params
from tasks.register import register
from tasks.tracking.mlflow import Experiment, run_params
from tests.faults.ledger import FACTOR, record
from tests.faults.twins import Record, differences, read_run
from tests.workplace import SMOKE, Finished, Workplace, call, log_lines, start_run

SEED = int(os.environ.get("CHARRNN_FAULTS_SEED") or secrets.randbits(32))
STEPS = 2000
SETTINGS = [
    f"training.max_steps={STEPS}",
    "training.ema_decay=0.9",
    "model.dropout=0.2",
    "checkpoint.every_steps=200",
    "evaluation.every_steps=500",
]
# Each kind of stop: the signals sent one right after the other, and how many stops of it a default run makes. To die
# before a rename is to have written a file, but not under its name.
KINDS = {
    "SIGKILL": ((signal.SIGKILL,), 5),
    "SIGTERM": ((signal.SIGTERM,), 5),
    "SIGINT": ((signal.SIGINT,), 1),
    "SIGINT twice": ((signal.SIGINT, signal.SIGINT), 1),
    "death before a rename": ((), 4),
}
MOST_RENAMES = 8
# Runs the script named after the number of the rename before which it is to die.
DIE_BEFORE_A_RENAME = """
import os, runpy, sys

left, replace = int(sys.argv[1]), os.replace

def replace_or_die(source, target, **options):
    global left
    left -= str(source).endswith(".part")
    if not left:
        os._exit(9)
    replace(source, target, **options)

os.replace = replace_or_die
del sys.argv[:2]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# Phase -> the line of the log that begins it ('' for the start of the process), and how long it may last (s).
PHASES = {
    "imports": ("", 5.0),
    "download and encode": ("download ", 0.2),
    "the run is made": ("encode ", 1.5),
    "training": ("train .* streams", 3.0),
    "evaluation in training": (" step ", 1.0),
    "after training": (f"goes on from step {STEPS}|step +{STEPS} ", 1.0),
    "sample and register": ("evaluate ", 2.5),
    "the end": ("register ", 1.0),
}
# Before anything is trained, while it is (most stops), afterwards: the order in which one run is stopped.
EARLY, LATE = (
    ("imports", "download and encode", "the run is made"),
    ("after training", "sample and register", "the end"),
)
STOPS_A_RUN = 8
PATIENCE = 60
"""What a process may take to end once asked to (s); it does within 5 s where nothing else keeps the machine busy."""


@dataclass(frozen=True)
class Stop:
    """When and how a session is stopped: `delay` (s) after the line that begins `phase`, or before rename `rename`."""

    kind: str
    phase: str
    delay: float = 0.0
    rename: int = 0

    @property
    def signals(self) -> tuple[int, ...]:
        return KINDS[self.kind][0]


@dataclass(frozen=True)
class Ended:
    """How a session ended: its exit code and log, and whether the stop came before it ended by itself.

    `registered`: whether its log had come to its last lines when the stop came, so that nothing was left to stop.
    """

    code: int
    log: str
    stopped: bool
    registered: bool = False


def planned_stops(draw: random.Random) -> list[list[Stop]]:
    """Return the stops for each of some runs: early ones first, late ones last."""
    kinds = [kind for kind, (_, count) in KINDS.items() for _ in range(count * FACTOR)]
    draw.shuffle(kinds)
    plans = []
    for start in range(0, len(kinds), STOPS_A_RUN):
        some = kinds[start : start + STOPS_A_RUN]
        phases = [*draw.sample(EARLY, 2), *["training"] * 3, "evaluation in training", *draw.sample(LATE, 2)]
        plans.append([_planned(kind, phase, draw) for kind, phase in zip(some, phases, strict=False)])
    return plans


def _planned(kind: str, phase: str, draw: random.Random) -> Stop:
    if KINDS[kind][0]:
        return Stop(kind, phase, draw.uniform(0, PHASES[phase][1]))
    return Stop(kind, "any", rename=draw.randint(1, MOST_RENAMES))


class Victim:
    """One run that is stopped again and again, in an experiment and a data folder of its own."""

    def __init__(self, name: str, workplace: Workplace) -> None:
        self.name = name
        self.workplace = replace(workplace, data=workplace.folder / f"data of {name}")
        self.options = [*self.workplace.options, "--set", f"tracking.experiment={name}"]
        self.options += [part for text in SETTINGS for part in ("--set", text)]
        self.where = ["--set", f"tracking.uri={workplace.uri}", "--set", f"tracking.experiment={name}"]

    @property
    def checkpoints(self) -> Path:
        assert self.run_id
        return self.workplace.data_folder / "checkpoints" / self.run_id

    @property
    def run_id(self) -> str | None:
        """The run, once it exists; there must never be a second one."""
        found = self.workplace.runs(self.name)
        assert len(found) <= 1, found
        return found[0] if found else None

    @property
    def status(self) -> str | None:
        return self.workplace.client.get_run(self.run_id).info.status if self.run_id else None

    def arguments(self) -> list[str]:
        """What a user would type: the options to start with; later the run's id, and what it does not know yet."""
        if self.run_id is None:
            return self.options
        known = {item.path for item in self.workplace.client.list_artifacts(self.run_id)}
        return [*(self.where if "params.yaml" in known else self.options), "--resume", self.run_id]

    def finish(self) -> None:
        ended = run_session(self.workplace, self.arguments(), None)
        assert ended.code == 0, ended.log

    def stop(self, stop: Stop) -> Ended:
        """Start or resume the run and stop it; when it ended before the stop came, try again, sooner."""
        while True:
            before = self.status
            ended = run_session(self.workplace, self.arguments(), stop)
            # What is asked to stop when all is done ends well; earlier, that would be a stop that was overlooked.
            too_late = ended.registered and ended.code == 0
            if ended.stopped and not too_late:
                self.check(stop, ended, before)
                return ended
            assert (ended.code, self.status) == (0, "FINISHED"), ended.log
            stop = replace(stop, delay=stop.delay / 2, rename=(stop.rename + 1) // 2)

    def check(self, stop: Stop, ended: Ended, before: str | None) -> None:
        """Check what a stopped session leaves behind. `before`: the run's status when it began."""
        if stop.rename:
            assert ended.code == 9
            return
        number = stop.signals[0]
        if number == signal.SIGKILL:
            assert ended.code == -number
            return
        # While it imports, and when it has nothing left to do, the signal ends it: 128 + number to a shell, too.
        idle = not ended.log or re.search("^register ", ended.log, re.MULTILINE)
        assert ended.code in ((128 + number, -number) if idle else (128 + number,)), ended.log
        assert "Traceback" not in ended.log, ended.log
        if re.search("^train ", ended.log, re.MULTILINE) and not re.search("^register ", ended.log, re.MULTILINE):
            assert self.status == "KILLED", ended.log
            assert f"go on with: python flows/pipeline.py --resume {self.run_id}" in ended.log
        elif self.run_id and (before != "RUNNING" or re.search("^download ", ended.log, re.MULTILINE)):
            assert self.status in ("KILLED", "FINISHED"), ended.log


def run_session(workplace: Workplace, arguments: list[str], stop: Stop | None) -> Ended:
    """Run the pipeline to its end or to the stop."""
    die = [DIE_BEFORE_A_RENAME, str(stop.rename)] if stop is not None and stop.rename else []
    process = workplace.start(*arguments, python=["-c", *die] if die else [])
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(log_lines(process)), daemon=True)
    assert process.stdout is not None
    printer = threading.Thread(target=process.stdout.read, daemon=True)
    for thread in (reader, printer):
        thread.start()
    stopped = registered = False
    try:
        if die:
            stopped = process.wait(300) == 9
        elif stop is not None and _wait_for(PHASES[stop.phase][0], process, lines):
            time.sleep(stop.delay)
            registered = any(line.startswith("register ") for line in list(lines))
            stopped = process.poll() is None
            for number in stop.signals:
                process.send_signal(number)
        process.wait(PATIENCE if stopped else 300)
    finally:
        process.kill()
        process.wait()
    for thread in (reader, printer):
        thread.join()
    return Ended(process.returncode, "".join(lines), stopped, registered)


def _wait_for(pattern: str, process: subprocess.Popen[str], lines: list[str]) -> bool:
    """Wait until a line of the log has `pattern` ('': until the script's first lines have run); False if it ended."""
    python_runs = False
    while process.poll() is None:
        if pattern and any(re.search(pattern, line) for line in list(lines)):
            return True
        if not pattern:
            # Python catches SIGINT from its start on; the script's first lines let it end the process.
            caught = _catches_sigint(process.pid)
            if python_runs and not caught:
                return True
            python_runs = python_runs or caught
        time.sleep(0.005)
    return False


def _catches_sigint(pid: int) -> bool:
    """Whether the process catches SIGINT. Where that cannot be seen, random: one moment is as good as another."""
    try:
        caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return random.random() < 0.05
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGINT - 1) & 1)


@pytest.fixture
def victims(workplace: Workplace) -> list[tuple[Victim, list[Stop]]]:
    plans = planned_stops(random.Random(SEED))
    return [(Victim(f"victim {number}", workplace), stops) for number, stops in enumerate(plans)]


@pytest.fixture
def twin(workplace: Workplace) -> Victim:
    return Victim("twin", workplace)


@pytest.mark.timeout(600 + 600 * FACTOR)
def test_a_run_stopped_at_random_moments_is_the_run_it_would_have_been(
    victims: list[tuple[Victim, list[Stop]]], twin: Victim
) -> None:
    print(f"CHARRNN_FAULTS_SEED={SEED}")

    def torment(victim: Victim, stops: list[Stop]) -> list[Ended]:
        ended = [victim.stop(stop) for stop in stops]
        victim.finish()
        return ended

    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        whole = pool.submit(twin.finish)
        tormented = [pool.submit(torment, victim, stops) for victim, stops in victims]
        whole.result()
        for future in tormented:
            future.result()

    expected = read(twin)
    assert expected.status == "FINISHED"
    for victim, stops in victims:
        found = read(victim)
        different = differences(found.figures, expected.figures)
        for stop in stops:
            record(f"{stop.kind}: {stop.phase}", survived=not different)
        record("stopped runs and their twins", injected=0, rows=len(found.figures), differences=len(different))
        assert (different, found.repeated) == ([], ()), f"{stops}"
        assert found.status == "FINISHED"
        assert len(found.versions) == 1
        assert victim.workplace.unfinished_files() == []


MAKE_A_STORE = """
import sys
from charrnn.config.schema import DataParams, TrackingParams
from tasks.tracking.mlflow import Experiment
Experiment(TrackingParams(uri=sys.argv[1]), DataParams()).open()
"""


def test_a_store_whose_making_was_killed_is_made_all_the_same(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    command = [sys.executable, "-c", MAKE_A_STORE, uri]
    for _ in range(2 * FACTOR):
        process = subprocess.Popen(command, cwd=PROJECT)
        while not (tmp_path / ".mlflow.lock").exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 1.5))
        process.kill()
        killed = process.wait() != 0
        record("SIGKILL: the store is made", injected=killed, survived=killed)
        if not killed:
            (tmp_path / "mlflow.db").unlink()
    subprocess.run(command, cwd=PROJECT, check=True)
    assert MlflowClient(uri).get_experiment_by_name("charrnn") is not None
    assert [path.name for path in tmp_path.iterdir() if ".part" in path.name] == []


def test_a_run_killed_before_its_parameters_were_kept_begins_in_the_same_run(workplace: Workplace) -> None:
    params = load_params([SMOKE], workplace.overrides)
    run = start_run(params, "killed", {})
    MlflowClient(workplace.uri).set_terminated(run.run_id, "KILLED")
    answer = call(*workplace.options, "--resume", run.run_id, "--quiet")
    assert (answer.code, answer.out) == (0, f"{run.run_id}\n"), answer.err
    assert len(workplace.client.get_metric_history(run.run_id, "train/loss")) == 60
    assert run_params(run) == params


def test_ctrl_c_in_a_terminal_ends_the_run_and_then_its_server(workplace: Workplace) -> None:
    """It reaches every process of the terminal; a kill reaches but one, and the server must not be left over."""
    alone = replace(workplace, api_url="")
    arguments = [*alone.options, "--set", "training.max_steps=1000000"]
    for number in (signal.SIGKILL, signal.SIGINT):
        process = alone.start(*arguments, new_session=True)
        try:
            next(line for line in log_lines(process) if "streams" in line)
            (server,) = psutil.Process(process.pid).children()
            assert "temporary_program.py" in server.cmdline()[1]
            os.killpg(process.pid, number)
            _, log = process.communicate(timeout=PATIENCE)
            assert psutil.wait_procs([server], PATIENCE)[1] == []
        finally:
            process.kill()
        (run_id,) = alone.runs()
        places = [f"tracking.uri={alone.uri}", f"data.directory={alone.data_folder}"]
        arguments = [*(part for text in places for part in ("--set", text)), "--resume", run_id]
    assert process.returncode == 130
    assert log.splitlines()[-1] == f"stopped   go on with: python flows/pipeline.py --resume {run_id}"
    assert not re.search("Traceback|Error", log), log
    assert alone.client.get_run(run_id).info.status == "KILLED"
    record("Ctrl-C in a terminal, with a temporary Prefect server", survived=1)


def test_a_run_of_another_program_is_not_resumed(workplace: Workplace) -> None:
    params = load_params([], workplace.overrides)
    experiment_id = Experiment(params.tracking, params.data).open()
    stranger = workplace.client.create_run(experiment_id).info.run_id
    answer = call(*workplace.options, "--resume", stranger)
    assert answer.code == 2
    assert answer.err == f"error: run {stranger}: has no params.yaml; it is not a run of this pipeline\n"


def test_a_run_that_a_process_is_still_at_is_not_resumed(workplace: Workplace) -> None:
    process = workplace.start(*workplace.options, "--set", "training.max_steps=1000000")
    try:
        line = next(line for line in log_lines(process) if "streams" in line)
        assert line.startswith("train")
        (run_id,) = workplace.runs()
        answer = call(*workplace.options, "--resume", run_id)
        assert (answer.code, answer.err) == (
            2,
            f"error: run {run_id}: process {process.pid} is still at it; stop that first\n",
        )
        assert workplace.client.get_run(run_id).info.status == "RUNNING"
    finally:
        process.kill()
        process.communicate()


def test_a_killed_run_stays_running_only_until_it_is_resumed(workplace: Workplace) -> None:
    """Also when what resumes it is itself stopped before it comes to the run."""
    run = start_run(load_params([SMOKE], workplace.overrides), "killed", {})
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    workplace.client.set_tag(run.run_id, "charrnn.pid", str(gone.pid))
    workplace.text.unlink()
    answer = call(*workplace.options, "--resume", run.run_id)
    assert answer.code == 2
    assert workplace.client.get_run(run.run_id).info.status == "KILLED"


def test_the_same_checkpoint_is_registered_once(finished: Finished) -> None:
    """A kill between the registration and the end of the run must not register it again when the run goes on."""
    version = register.fn(finished.summary.params, finished.summary.run, "a play")
    assert version == finished.summary.version
    assert len(finished.workplace.client.search_model_versions(f"run_id = '{finished.run_id}'")) == 1


def read(victim: Victim) -> Record:
    assert victim.run_id is not None
    return read_run(victim.workplace.client, victim.run_id, victim.checkpoints)
