"""Row 13: what tracking costs a default training, at most.

Two equal trainings can differ by more than a few percent, so a small cost does not show as a ratio of their times. It
is added up instead, in one run with everything on: the time that training waits for whoever watches it (metrics written
down, checkpoints, samples, progress in Prefect), and the processor time that the threads which send and measure use in
the meantime, as if training had stood still for all of it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psutil

import tasks.train
from benchmarks.pipelines import run_pipeline
from benchmarks.runner import Bench, Figure
from charrnn.training import TrainEvent, train
from flows.temporary_server import temporary_server
from tasks.sender import Sender

CHANGES = ("training.max_steps=6000", "training.max_minutes=null")
THREADS = ("system metrics", "GlobalEventLoopThread", "EventsWorkerThread")
SAMPLING_SECONDS = 0.1


def measure(bench: Bench) -> list[Figure]:
    waited = used = 0.0
    at_work = False
    send = Sender._run

    def timed(*arguments: Any) -> Iterator[TrainEvent]:
        nonlocal at_work, waited, used
        with _processor_time() as of_threads:
            at_work = True
            for event in train(*arguments):
                given = time.perf_counter()
                yield event
                waited += time.perf_counter() - given
            at_work = False
        used += sum(of_threads.values())

    def counted(sender: Sender) -> None:
        nonlocal used
        send(sender)
        used += time.thread_time() if at_work else 0.0

    with (
        temporary_server(),
        patch.object(tasks.train, "train_events", timed),
        patch.object(Sender, "_run", counted),
    ):
        training = run_pipeline(bench, *CHANGES).training.seconds
    share = (waited + used) / training
    figure = f"{share:.1%} ({waited:.2f} s of {training:.0f} waited for, {used:.2f} s of other threads)"
    return [Figure("13", "tracking in a default training, at most", "<= 3 %", figure, share <= 0.03)]


@contextmanager
def _processor_time() -> Iterator[dict[int, float]]:
    """Gather the processor time (s) that each thread which stays and serves tracking uses while the block runs."""
    used: dict[int, float] = {}
    ended = threading.Event()
    process = psutil.Process()

    def times() -> dict[int, float]:
        serving = {thread.native_id for thread in threading.enumerate() if thread.name in THREADS}
        return {t.id: t.user_time + t.system_time for t in process.threads() if t.id in serving}

    before = times()

    def look() -> None:
        while not ended.wait(SAMPLING_SECONDS):
            used.update({number: total - before.get(number, 0.0) for number, total in times().items()})

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield used
    finally:
        ended.set()
        looking.join()
