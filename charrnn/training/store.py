"""The store in which the processes of one training find each other: a TCPStore of torchrun's, or of rank 0.

torchrun keeps its store when it starts the processes again, so that what an earlier attempt has left in it must not be
taken for a word of this one.
"""

import os
import socket
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from uuid import uuid4

# PyTorch documents them as of torch.distributed, which exports them where it was built with it.
from torch._C._distributed_c10d import PrefixStore, Store, TCPStore

from charrnn.errors import ParamsError, RankError
from charrnn.training.launched import Launched
from charrnn.training.ranks import FOREVER, START_PATIENCE

_RUN = "charrnn/run"
# Time between two looks at who has come (s).
_LOOK = 0.05


def open_store(place: Launched) -> Store:
    """Return the store of the processes that were launched with this one; rank 0 keeps it where no launcher does.

    Raises:
        ParamsError: rank 0 cannot listen where it is to be.
        RankError: it does not answer.
    """
    if place.rank == 0 and not place.has_store:
        return serve_store(place.host, place.port)
    try:
        return TCPStore(
            place.host, place.port, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=START_PATIENCE)
        )
    except RuntimeError:
        raise RankError(
            f"rank {place.rank}: MASTER_ADDR {place.host}, MASTER_PORT {place.port}: rank 0 does not answer there"
        ) from None


def serve_store(host: str, port: int = 0) -> TCPStore:
    """Keep a store at `host` and `port`, 0 for a free one. Raises ParamsError where that cannot be listened at."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with closing(socket.create_server((host, port), family=family)) as listener:
            # PyTorch's own would listen on all addresses of the machine.
            found, opened = listener.getsockname()[1], listener.detach()
    except OSError as error:
        # That of a name that is not known is below 0.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ParamsError(
            f"MASTER_ADDR {host}, MASTER_PORT {port}: rank 0 cannot listen there: {reason}; give another port"
        ) from None
    return TCPStore(
        host,
        found,
        is_master=True,
        wait_for_workers=False,
        master_listen_fd=opened,
        timeout=timedelta(seconds=START_PATIENCE),
    )


def await_followers(store: Store, size: int, check: Callable[[], None]) -> Store:
    """Wait, on rank 0, until the others have come; return the part of the store that is theirs and this process's.

    Args:
        store: see `open_store`.
        size: processes, this one included.
        check: called again and again; raises where it makes no sense to wait any more.

    Raises:
        RankError: they do not come.
    """
    meeting, answered, began = uuid4().hex, dict[int, bytes](), time.monotonic()
    missing = list(range(1, size))
    while missing:
        check()
        for rank in missing:
            # Of an earlier attempt there may be a word of a process that has ended; that of the new one replaces it.
            if store.check([_word(rank)]) and (word := store.get(_word(rank))) != answered.get(rank):
                store.set(f"charrnn/answer/{word.decode()}", meeting)
                answered[rank] = word
        missing = [rank for rank in missing if not store.check([f"charrnn/{meeting}/{rank}"])]
        if missing and time.monotonic() - began > START_PATIENCE:
            ranks = ", ".join(map(str, missing))
            raise RankError(f"of {size} processes these have not come after {START_PATIENCE:g} s: rank {ranks}")
        time.sleep(_LOOK)
    return PrefixStore(meeting, store)


def await_leader(store: Store, rank: int) -> Store:
    """Wait, as `rank`, until rank 0 trains, however long it prepares that; return what `await_followers` returns.

    Raises:
        RankError: it has ended.
    """
    word = uuid4().hex
    try:
        store.set(_word(rank), word)
        store.wait([f"charrnn/answer/{word}"], FOREVER)
        meeting = store.get(f"charrnn/answer/{word}").decode()
        store.set(f"charrnn/{meeting}/{rank}", "")
    except RuntimeError:
        raise RankError(f"rank {rank}: rank 0 has ended") from None
    return PrefixStore(meeting, store)


def note_run(place: Launched, run_id: str) -> None:
    """Note the run that the processes train, so that `noted_run` finds it where the launcher starts them again."""
    open_store(place).set(_RUN, run_id)


def noted_run(place: Launched) -> str | None:
    """Return the run that an earlier attempt of the launcher has trained; None where there was none."""
    store = open_store(place)
    return store.get(_RUN).decode() if store.check([_RUN]) else None


def _word(rank: int) -> str:
    return f"charrnn/word/{rank}"
