"""Brings together, for rank 0, the processes that train one model: those of torchrun, or those that it starts here.

`training.processes` starts them with torchrun's own launcher, so that a command line, a deployment and a notebook have
them in the same way. Does not know who saves or tracks what they train.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from torch._C._distributed_c10d import Store
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, start_processes
from torch.distributed.elastic.multiprocessing.api import SubprocessContext

from charrnn.config.schema import Params
from charrnn.data.dataset import Dataset
from charrnn.errors import CheckpointError, CorpusError, RankError
from charrnn.training.device import choose_precision
from charrnn.training.follower import Assignment, Opened
from charrnn.training.launched import Launched, check_processes, launched
from charrnn.training.ranks import Ranks
from charrnn.training.session import Session
from charrnn.training.store import await_followers, open_store, serve_store

PACKAGES = Path(__file__).resolve().parents[2]
# How long processes that were told to end may take (s).
_GRACE = 5.0


@contextmanager
def joined(session: Session, dataset: Dataset, params: Params) -> Iterator[None]:
    """Train `session` with the other processes while the block runs, if `params` want several.

    There are streams for all of them: `charrnn.data.layout.check_shares`.

    Raises:
        ParamsError: torchrun has started another number of processes, or this one is not rank 0.
        CharrnnError: another process cannot open the text, or has another one.
        RankError: another process has ended or cannot be reached, now or while the block runs.
    """
    training, place = params.training, launched()
    if training.processes == 1:
        yield
        return
    if place is not None:
        check_processes(training, place)
    with _followers(training.processes, place) as (place, store, check):
        with _explained(check):
            ranks = Ranks(await_followers(store, place.size, check), 0, place.size, place.host)
        with closing(ranks), _explained(check):
            state = session.state
            precision = choose_precision(training, state.device)
            told = training.model_copy(update={"device": state.device.type, "precision": precision})
            ranks.tell(Assignment(params.model_copy(update={"training": told}), dataset.directory).to_bytes())
            _check_opened([Opened.from_bytes(content) for content in ranks.answers()], dataset)
            ranks.begin(state.device)
            state.join(ranks)
            yield


@contextmanager
def _explained(check: Callable[[], None]) -> Iterator[None]:
    """Say which process has ended, where this one has started them: its links close before it can be seen to end."""
    try:
        yield
    except RankError:
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            check()
            time.sleep(0.02)
        raise


def _check_opened(others: list[Opened], dataset: Dataset) -> None:
    """Check that all processes have opened the text that this one has."""
    for rank, opened in enumerate(others, start=1):
        if opened.problem:
            raise CorpusError(
                f"rank {rank} on {opened.host}: {opened.problem}; each machine needs the data folder at the same path"
            )
        if opened.digest != dataset.digest:
            raise CheckpointError(
                f"rank {rank} on {opened.host}: has another text at {dataset.directory} (digest {opened.digest[:12]}, "
                f"that of rank 0 is {dataset.digest[:12]}); give all machines the same data folder"
            )


@contextmanager
def _followers(size: int, place: Launched | None) -> Iterator[tuple[Launched, Store, Callable[[], None]]]:
    """Have the other processes while the block runs: those of the launcher, or else ones that are started here.

    Yields:
        The place of this process, the store in which they find each other, and what raises RankError where one that
        was started has ended.
    """
    if place is not None:
        yield place, open_store(place), lambda: None
        return
    store = serve_store("127.0.0.1")
    place = Launched(0, size, 0, size, "127.0.0.1", store.port, has_store=True)
    started = _start(place)

    def check() -> None:
        handlers = started.subprocess_handlers.values()
        codes = {rank: handler.proc.poll() for rank, handler in enumerate(handlers, start=1)}
        # A process that was killed is named first: the others end by themselves when their links to it break.
        for rank, code in sorted(codes.items(), key=lambda item: item[1] is None or item[1] >= 0):
            if code is not None:
                how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"has ended with exit code {code}"
                raise RankError(f"rank {rank} of this training {how}; its last checkpoint is kept")

    try:
        yield place, store, check
    finally:
        _end(started)


def _start(place: Launched) -> SubprocessContext:
    """Start the other processes of this machine with torchrun's launcher, each in a session of its own."""
    path = os.pathsep.join([str(PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])])
    envs = {
        rank - 1: {
            **replace(place, rank=rank, local_rank=rank).environment(),
            # -P keeps the folder that a person is in off the path, and these are the packages of this process.
            "PYTHONPATH": path,
            # When this process dies, it is not for them to show a trace of PyTorch's.
            "TORCH_CPP_LOG_LEVEL": "ERROR",
        }
        for rank in range(1, place.size)
    }
    arguments = dict.fromkeys(envs, ("-P", "-m", "charrnn.training.follower", str(os.getpid())))
    # Its own lines say what this project says in its own.
    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.CRITICAL)
    with _handlers_kept():
        started = start_processes("charrnn", sys.executable, arguments, envs, DefaultLogsSpecs(os.devnull))
    assert isinstance(started, SubprocessContext)
    return started


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Put back the signal handlers that torchrun's launcher replaces with its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _end(started: SubprocessContext) -> None:
    """Wait until the processes have ended, as they were told to; kill those that do not."""
    processes = [handler.proc for handler in started.subprocess_handlers.values()]
    until = time.monotonic() + _GRACE
    while any(process.poll() is None for process in processes) and time.monotonic() < until:
        time.sleep(0.02)
    started.close(signal.SIGKILL, timeout=1)
