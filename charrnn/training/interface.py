"""Which network interface the processes of one training listen at for each other: that of rank 0's address."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

_CHOSEN = "GLOO_SOCKET_IFNAME"


@contextmanager
def listening_near(host: str) -> Iterator[None]:
    """Have gloo listen at the interface by which `host` is reached while the block runs, unless a person named another.

    Left to itself it takes the address that the machine's own name stands for, which other machines may not reach, and
    which they may where `host` is this machine alone.
    """
    name = None if os.environ.get(_CHOSEN) else _interface(host)
    if name is None:
        yield
        return
    os.environ[_CHOSEN] = name
    try:
        yield
    finally:
        del os.environ[_CHOSEN]


def _interface(host: str) -> str | None:
    """Return the name of the interface by which `host` is reached; None where that cannot be told."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)  # sends nothing
            own = probe.getsockname()[0]
    except OSError:
        return None
    return next(
        (name for name, found in psutil.net_if_addrs().items() if any(item.address == own for item in found)), None
    )
