"""The processes that train one model together, each on its share of the streams: what they send each other.

Rank 0 leads: it gives orders, and the others follow. What is sent is tensors, and bytes as tensors; nothing is
unpickled. Knows torch.distributed, but neither how the processes were started nor what is trained.
"""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import Store
from torch.distributed.distributed_c10d import _world

from charrnn.errors import RankError
from charrnn.training.interface import listening_near

PATIENCE = 10.0
"""How long a process waits for another one that has stopped to answer (s). One that has died is noticed at once."""
START_PATIENCE = 300.0
"""How long processes that were started together wait for each other's first word (s)."""
# A follower waits for the next order as long as rank 0 lives, whatever that one is doing.
FOREVER = timedelta(days=30)
# Time between two signs of life (s).
_PULSE = 1.0


class Order(IntEnum):
    """What rank 0 tells the others to do."""

    BEGIN = 0
    """Begin: all have opened the same text."""
    STEP = 1
    """Make the next optimizer step."""
    GATHER = 2
    """Send the hidden state of your streams."""
    TAKE_OVER = 3
    """Receive the state that was loaded."""
    END = 4
    """Training is over."""


@dataclass(frozen=True)
class Ordered:
    """An order, with what belongs to a step: its number before it, its learning rate, and the threads to make it with.

    Rank 0 decides them, so that all ranks make the same step whatever their clocks say.
    """

    order: Order
    step: int = 0
    rate: float = 0.0
    threads: int = 1


class Ranks:
    """This process and the others, while they train.

    Attributes:
        rank: of this process; 0 leads.
        size: processes.
    """

    def __init__(
        self,
        store: Store,
        rank: int,
        size: int,
        host: str,
        on_lost: Callable[[str], None] | None = None,
    ) -> None:
        """Meet the others.

        Args:
            store: of those that rank 0 has heard of: `charrnn.training.store`; it must last as long as this.
            rank: of this process.
            size: processes.
            host: of rank 0, as it is reached from this machine.
            on_lost: called in a thread, with the reason, when another process cannot be heard any more.

        Raises:
            RankError: they do not come.
        """
        self.rank, self.size = rank, size
        self._on_lost, self._over, self._midway = on_lost, threading.Event(), False
        self._wait = wait = timedelta(seconds=PATIENCE)
        # Rank 0 has heard all of the others before; they have heard only rank 0.
        meeting = wait if rank == 0 else timedelta(seconds=START_PATIENCE)
        try:
            with self._link(), listening_near(host):
                dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=meeting)
                self._group = dist.new_group(backend="gloo", timeout=wait if rank == 0 else FOREVER)
                self._pulses = dist.new_group(backend="gloo", timeout=wait)
        except BaseException:
            _leave()
            raise
        self._sums = self._group
        self._thread = threading.Thread(target=self._pulse, name="signs of life", daemon=True)
        self._thread.start()

    def share(self, streams: int) -> slice:
        """Return which of `streams` streams are this process's."""
        return _share(self.rank, self.size, streams)

    def begin(self, device: torch.device) -> None:
        """Order the others to begin, from rank 0, to train on devices such as `device`. Raises RankError."""
        self.order(Ordered(Order.BEGIN))
        self.add_on(device)

    def add_on(self, device: torch.device) -> None:
        """Add gradients up where they are: on GPUs NCCL does, on CPUs gloo. Raises RankError."""
        if device.type == "cuda":
            with self._link():
                self._sums = dist.new_group(backend="nccl", timeout=self._wait)

    def order(self, ordered: Ordered) -> None:
        """Give an order; rank 0 only. Raises RankError."""
        values = [ordered.order, ordered.step, ordered.rate, ordered.threads]
        with self._link():
            dist.broadcast(torch.tensor(values, dtype=torch.float64), 0, group=self._group)
        self._midway = ordered.order not in (Order.BEGIN, Order.END)

    def next_order(self) -> Ordered:
        """Wait for the next order; not for rank 0. Raises RankError."""
        values = torch.empty(4, dtype=torch.float64)
        with self._link():
            dist.broadcast(values, 0, group=self._group)
        order, step, rate, threads = values.tolist()
        return Ordered(Order(int(order)), int(step), rate, int(threads))

    def add_up(self, values: Tensor) -> None:
        """Replace `values` with the sum over all ranks, the same to the last bit on each. Raises RankError."""
        with self._link():
            dist.all_reduce(values, group=self._sums)
        self._midway = False

    def gather(self, parts: Sequence[Tensor], streams: int) -> list[Tensor]:
        """Return, on rank 0 and its CPU, what all ranks have of tensors of (..., streams, size); on others nothing.

        Args:
            parts: tensors of (layers, own streams, size), of the same dtype on all ranks.
            streams: of all ranks (count).

        Raises:
            RankError: another process cannot be heard.
        """
        with self._link():
            if self.rank:
                for part in parts:
                    dist.send(_as_bytes(part.cpu()), 0, group=self._group)
                return []
            whole = [[part.cpu()] for part in parts]
            for rank in range(1, self.size):
                share = _share(rank, self.size, streams)
                for part, of_ranks in zip(parts, whole, strict=True):
                    layers, _, size = part.shape
                    theirs = torch.empty((layers, share.stop - share.start, size), dtype=part.dtype)
                    dist.recv(_as_bytes(theirs), rank, group=self._group)
                    of_ranks.append(theirs)
        self._midway = False
        return [torch.cat(of_ranks, dim=1) for of_ranks in whole]

    def tell(self, content: bytes) -> None:
        """Send `content` from rank 0 to all others, which `hear` it. Raises RankError."""
        with self._link():
            dist.broadcast(torch.tensor([len(content)]), 0, group=self._group)
            dist.broadcast(torch.frombuffer(bytearray(content), dtype=torch.uint8), 0, group=self._group)
        self._midway = False

    def hear(self) -> bytes:
        """Return what rank 0 tells. Raises RankError."""
        length = torch.empty(1, dtype=torch.int64)
        with self._link():
            dist.broadcast(length, 0, group=self._group)
            content = torch.empty(int(length), dtype=torch.uint8)
            dist.broadcast(content, 0, group=self._group)
        return content.numpy().tobytes()

    def answer(self, content: bytes) -> None:
        """Send `content` to rank 0, which takes it with `answers`. Raises RankError."""
        with self._link():
            dist.send(torch.tensor([len(content)]), 0, group=self._group)
            dist.send(torch.frombuffer(bytearray(content), dtype=torch.uint8), 0, group=self._group)

    def answers(self) -> list[bytes]:
        """Return what each of the others answers, in the order of ranks. Raises RankError."""
        found = []
        with self._link():
            for rank in range(1, self.size):
                length = torch.empty(1, dtype=torch.int64)
                dist.recv(length, rank, group=self._group)
                content = torch.empty(int(length), dtype=torch.uint8)
                dist.recv(content, rank, group=self._group)
                found.append(content.numpy().tobytes())
        return found

    def close(self) -> None:
        """End the training of all, from rank 0, or take leave of it, from the others."""
        self._over.set()
        # In the middle of what was ordered the others would not hear it; the closed link tells them.
        if self.rank == 0 and not self._midway:
            with suppress(RankError):
                self.order(Ordered(Order.END))
        if self.rank == 0:
            self._thread.join(2 * _PULSE)  # it ends when the others have
        _leave()

    def _pulse(self) -> None:
        """Exchange signs of life, until another process cannot be heard."""
        sign = torch.zeros(1)
        try:
            while not self._over.wait(_PULSE):
                dist.all_reduce(sign, group=self._pulses)
        except (RuntimeError, ValueError) as error:  # a ValueError where the group is gone
            # At the end of a training another process may be gone before this one is told.
            if self._on_lost is not None and not self._over.wait(_PULSE):
                self._on_lost(str(_lost(error)))

    @contextmanager
    def _link(self) -> Iterator[None]:
        """Say in this project's words that another process does not answer."""
        try:
            yield
        except RuntimeError as error:
            raise _lost(error) from error


def _leave() -> None:
    """Leave the groups of this process, so that it can join others."""
    if dist.is_initialized():
        with suppress(RuntimeError):
            dist.destroy_process_group()
    # They are numbered, and must be alike in all processes; PyTorch forgets none that could not be made.
    _world.group_count = 0


def _share(rank: int, size: int, streams: int) -> slice:
    return slice(rank * streams // size, (rank + 1) * streams // size)


def _as_bytes(tensor: Tensor) -> Tensor:
    """Return the memory of `tensor`, which gloo sends whatever the dtype."""
    return tensor.contiguous().view(-1).view(torch.uint8)


def _lost(error: Exception) -> RankError:
    reason = re.sub(r"^\[[^]]*\] *", "", str(error).partition("\n")[0])  # gloo begins with a line of its source
    return RankError(f"another process of this training has ended or is out of reach: {reason}")
