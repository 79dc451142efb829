"""Whether a launcher has started this process as one of several that train together. Imports nothing slow.

torchrun says so in the environment of the processes that it starts, and so does `charrnn.training.processes` where
`training.processes` asks for more than one: https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from charrnn.config.schema import TrainingParams
from charrnn.errors import ParamsError

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Launched:
    """The place of this process among those that train together.

    Attributes:
        rank: its number; 0 leads.
        size: processes in all.
        local_rank: its number on this machine, which is that of its GPU.
        local_size: processes on this machine.
        host: where the store is in which the processes find each other, and port: its port.
        has_store: the launcher keeps that store; else rank 0 does.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    host: str
    port: int
    has_store: bool

    def environment(self) -> dict[str, str]:
        """Return the variables that `launched` reads this from."""
        return {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.size),
            "LOCAL_RANK": str(self.local_rank),
            "LOCAL_WORLD_SIZE": str(self.local_size),
            "MASTER_ADDR": self.host,
            "MASTER_PORT": str(self.port),
            "TORCHELASTIC_USE_AGENT_STORE": str(self.has_store),
        }


def launched(environment: Mapping[str, str] = os.environ) -> Launched | None:
    """Return the place that a launcher has given this process; None where it trains alone.

    Raises:
        ParamsError: a variable is no number, or no rank of so many.
    """
    if not all(environment.get(name) for name in _NEEDED):
        return None
    rank, size, port = (_number(environment, name) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
    if rank >= size or port >= 2**16:
        name, most = ("RANK", size - 1) if rank >= size else ("MASTER_PORT", 2**16 - 1)
        raise ParamsError(f"{name}: must be a whole number from 0 to {most}, got {environment[name]}")
    if size == 1:
        return None
    return Launched(
        rank=rank,
        size=size,
        local_rank=_number(environment, "LOCAL_RANK", 0),
        local_size=_number(environment, "LOCAL_WORLD_SIZE", 1),
        host=environment["MASTER_ADDR"],
        port=port,
        has_store=environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
    )


def check_processes(training: TrainingParams, place: Launched) -> None:
    """Check, for rank 0, that the launcher has started as many processes as are asked for. Raises ParamsError."""
    if training.processes != place.size:
        raise ParamsError(
            f"training.processes: must be {place.size}, the processes that the launcher has started, or left out, "
            f"got {training.processes}"
        )
    if place.rank:
        raise ParamsError(
            f"RANK: must be 0 where a program trains, got {place.rank}; the other ranks are "
            "python -m charrnn.training.follower"
        )


def _number(environment: Mapping[str, str], name: str, missing: int | None = None) -> int:
    text = environment.get(name, "" if missing is None else str(missing))
    if not (text.isascii() and text.isdecimal()):
        raise ParamsError(f"{name}: must be a whole number >= 0, got {text[:80]!r}")
    return int(text)
