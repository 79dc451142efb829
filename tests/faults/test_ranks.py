"""Runs of the real pipeline with two processes, one of which is killed, end as what nobody disturbed."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest

from charrnn.config.loading import PROJECT
from tests.faults.twins import Record, differences, read_run
from tests.workplace import Workplace, call, log_lines

PATIENCE = 60
"""What processes may take to end (s); they do within 10 s where nothing else keeps the machine busy."""
SETTINGS = [
    *("training.processes=2", "training.max_steps=600", "model.dropout=0.2", "training.ema_decay=0.9"),
    *("checkpoint.every_steps=50", "evaluation.every_steps=300", "tasks.retries=1", "tasks.retry_delay_seconds=0"),
]

Named = Callable[[str], tuple[Workplace, list[str]]]


@pytest.fixture
def named(workplace: Workplace) -> Named:
    """A place for a run in an experiment and a data folder of its own, and the options that a person gives there."""

    def named(name: str) -> tuple[Workplace, list[str]]:
        place = replace(workplace, data=workplace.folder / f"data of {name}")
        settings = [*SETTINGS, f"tracking.experiment={name}", f"tracking.registered_model={name}"]
        return place, [*place.options, *(part for text in settings for part in ("--set", text))]

    return named


def followers(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children() if "charrnn.training.follower" in child.cmdline()]


def wait_for(lines: Iterator[str], what: str) -> None:
    seen = []
    for line in lines:
        seen.append(line)
        if re.search(what, line):
            time.sleep(0.3)  # into the middle of the steps
            return
    raise AssertionError("".join(seen))


def record_of(place: Workplace, name: str) -> Record:
    (run_id,) = place.runs(name)
    return read_run(place.client, run_id, place.data_folder / "checkpoints" / run_id)


def test_a_run_whose_processes_are_killed_and_stopped_ends_as_if_nobody_had(named: Named) -> None:
    place, options = named("undisturbed")
    assert call(*options).code == 0
    undisturbed = record_of(place, "undisturbed")

    place, options = named("killed")
    process = place.start(*options)
    lines = log_lines(process)
    try:
        wait_for(lines, "streams")
        (first,) = followers(psutil.Process(process.pid))
        first.kill()
        wait_for(lines, "warning   rank 1 of this training was ended by SIGKILL; .*: the training starts again")
        wait_for(lines, "streams")
        (second,) = followers(psutil.Process(process.pid))
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE)
        assert process.returncode == 143, log
        assert psutil.wait_procs([first, second], PATIENCE)[1] == []
        (run_id,) = place.runs("killed")
        assert place.client.get_run(run_id).info.status == "KILLED"
    finally:
        process.kill()
        process.communicate()
    answer = call(*place.places, "--set", "tracking.experiment=killed", "--resume", run_id)
    assert answer.code == 0, answer.err
    assert differences(record_of(place, "killed").figures, undisturbed.figures) == []


def test_torchrun_starts_a_run_again_whose_process_died_and_it_goes_on(named: Named) -> None:
    place, options = named("restarted")
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", *torchrun, "-m", "flows.pipeline", *options],
        cwd=PROJECT,
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(log_lines(process), "streams")
        ranks = {child.environ()["RANK"]: child for child in psutil.Process(process.pid).children()}
        ranks["1"].kill()
        out, log = process.communicate(timeout=5 * PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, log
    (run_id,) = place.runs("restarted")
    assert place.client.get_run(run_id).info.status == "FINISHED"
    assert "train     goes on from step" in log
    assert out.count("best val loss") == 1
