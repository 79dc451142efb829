"""Row 13: what tracking costs a default training, at most.

Two equal trainings can differ by more than a few percent, so a small cost does not show as a ratio of their times. It
is added up instead, in one run with everything on: the time that training waits for the task (metrics written
down, checkpoints, samples, progress in Prefect), and the processor time that the threads which send and measure, and
Prefect's server, use in the meantime, as if training had stood still for all of it.
"""

import threading
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import psutil

import tasks.train
from benchmarks.pipelines import run_pipeline, training_clock
from benchmarks.runner import Bench, Figure
from charrnn.training.events import TrainEvent
from charrnn.training.rollback import train_with_rollback
from tasks.tracking.outbox.sender import Sender

CHANGES = ("training.max_steps=6000", "training.max_minutes=null")
THREADS = ("system metrics", "GlobalEventLoopThread", "EventsWorkerThread")


def measure(bench: Bench) -> list[Figure]:
    waited = used = 0.0
    at_work = False
    send, watch = Sender._run, tasks.train._Watcher.watch

    def timed(*arguments: Any) -> Iterator[TrainEvent]:
        nonlocal waited
        for event in train_with_rollback(*arguments):
            given = time.perf_counter()
            yield event
            waited += time.perf_counter() - given

    def watched(*arguments: Any) -> None:
        nonlocal at_work, used
        before, at_work = _processor_time(), True
        watch(*arguments)
        after, at_work = _processor_time(), False
        used += sum(after[number] - before.get(number, 0.0) for number in after)

    def counted(sender: Sender) -> None:
        nonlocal used
        counts = at_work
        send(sender)
        used += time.thread_time() if counts else 0.0

    with (
        patch.object(tasks.train, "train_with_rollback", timed),
        patch.object(tasks.train._Watcher, "watch", watched),
        patch.object(Sender, "_run", counted),
        training_clock() as taken,
    ):
        run_pipeline(bench, *CHANGES)
    share = (waited + used) / sum(taken)
    figure = f"{share:.1%} ({waited:.2f} s of {sum(taken):.0f} waited for, {used:.2f} s of others)"
    return [Figure("13", "tracking in a default training, at most", "<= 2 %", figure, share <= 0.02)]


def _processor_time() -> dict[int, float]:
    """Return the processor time (s) of each thread that stays and serves tracking, and of Prefect's server."""
    process = psutil.Process()
    serving = {thread.native_id for thread in threading.enumerate() if thread.name in THREADS}
    times = {t.id: t.user_time + t.system_time for t in process.threads() if t.id in serving}
    servers = {child.pid: child.cpu_times() for child in process.children(recursive=True)}
    return times | {number: spent.user + spent.system for number, spent in servers.items()}
