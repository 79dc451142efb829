"""A process that trains on its share of the streams as rank 0 orders: it tracks, saves and evaluates nothing.

What it trains, it learns from rank 0. Run as a module, it is the process that `charrnn.training.processes` starts, with
its own process id as the only argument, or that a person starts on another machine, without one; it has the environment
that torchrun would give it.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from charrnn.config.loading import validate_params
from charrnn.config.schema import Params
from charrnn.config.writing import readable_values
from charrnn.data.dataset import read_encoded
from charrnn.errors import CharrnnError, RankError
from charrnn.training.device import check_gpus, choose_device, computing
from charrnn.training.launched import Launched, launched
from charrnn.training.ranks import Order, Ranks
from charrnn.training.session import Session, new_session
from charrnn.training.step import compute, take_step
from charrnn.training.store import await_leader, open_store

# Time between two looks whether the process that started this one is still there (s).
_LOOK = 0.5


@dataclass(frozen=True)
class Assignment:
    """What rank 0 tells the others before the first step.

    Attributes:
        params: of the training; its device and its precision are those that rank 0 has chosen.
        directory: of the encoded text, which is at the same path on each machine.
    """

    params: Params
    directory: Path

    def to_bytes(self) -> bytes:
        """Return it as JSON."""
        return json.dumps({"params": readable_values(self.params), "directory": str(self.directory)}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Assignment":
        """Return what `to_bytes` gave. Raises ParamsError where rank 0 has parameters that are unknown here."""
        values = json.loads(content)
        return cls(validate_params(values["params"]), Path(values["directory"]))


@dataclass(frozen=True)
class Opened:
    """What another process answers to its assignment.

    Attributes:
        host: the name of its machine.
        digest: of the text that it has opened (`Dataset.digest`).
        problem: why it cannot train, in one line; '' where it can.
    """

    host: str
    digest: str = ""
    problem: str = ""

    def to_bytes(self) -> bytes:
        """Return it as JSON."""
        return json.dumps({"host": self.host, "digest": self.digest, "problem": self.problem}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Opened":
        """Return what `to_bytes` gave."""
        values = json.loads(content)
        return cls(str(values["host"]), str(values["digest"]), str(values["problem"]))


def follow(place: Launched, *, quiet: bool = False) -> NoReturn:
    """Train as rank 0 orders until it ends the training, and end this process.

    Args:
        place: of this process.
        quiet: say nothing when rank 0 is lost: it is on this terminal, and says itself why it ends.
    """
    code = 0
    try:
        _follow(place, lambda reason: _lose(place, reason, quiet))
    except RankError as error:
        _lose(place, str(error), quiet)
    except CharrnnError as error:
        code = error.exit_code
        _say(place, str(error))
    # The thread that exchanges signs of life may be waiting for one, and the interpreter would wait for it.
    _end(code)


def _follow(place: Launched, on_lost: Callable[[str], None]) -> None:
    # What waits for rank 0 does not look for signals.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    store = await_leader(open_store(place), place.rank)
    ranks = Ranks(store, place.rank, place.size, place.host, on_lost)
    # From here on a stop is rank 0's to be asked for: Ctrl-C in a terminal and torchrun's SIGTERM reach both.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    assignment = Assignment.from_bytes(ranks.hear())
    training = assignment.params.training
    with computing(training):
        session, opened = _open(assignment, place)
        ranks.answer(opened.to_bytes())
        while (ordered := ranks.next_order()).order is not Order.END:
            assert session is not None  # else rank 0 ends the training at once
            state = session.state
            match ordered.order:
                case Order.BEGIN:
                    ranks.add_on(state.device)
                    state.join(ranks)
                case Order.STEP:
                    if ordered.threads != torch.get_num_threads():
                        torch.set_num_threads(ordered.threads)
                    state.progress.step = ordered.step
                    take_step(state, session.streams, training, ordered.rate, compute)
                case Order.GATHER:
                    state.send_hidden()
                case Order.TAKE_OVER:
                    state.take_over()
    ranks.close()


def _open(assignment: Assignment, place: Launched) -> tuple[Session | None, Opened]:
    """Open what is to be trained; return it, or None, and what to answer."""
    training, host = assignment.params.training, socket.gethostname()
    try:
        dataset = read_encoded(assignment.directory)
        device = choose_device(training)
        check_gpus(training, device)
        if device.type == "cuda":
            torch.cuda.set_device(place.local_rank)
        return new_session(dataset, assignment.params, device), Opened(host, dataset.digest)
    except CharrnnError as error:
        return None, Opened(host, problem=str(error))


def _lose(place: Launched, reason: str, quiet: bool) -> NoReturn:
    """End this process because another one, which it cannot train without, is lost."""
    if not quiet:
        _say(place, reason)
    _end(RankError.exit_code)


def _say(place: Launched, message: str) -> None:
    line = "".join(character if character.isprintable() else "�" for character in message)
    print(f"error: rank {place.rank} on {socket.gethostname()}: {line}", file=sys.stderr)


def _end(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _end_with(parent: int) -> None:
    """End this process when `parent`, which started it, has ended: then another one takes its place as the parent."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    _end(RankError.exit_code)


if __name__ == "__main__":
    place = launched()
    assert place is not None
    if started := sys.argv[1:]:
        # Rank 0 may die before there is a connection that would close.
        threading.Thread(target=_end_with, args=[int(started[0])], daemon=True).start()
    follow(place, quiet=bool(started))
