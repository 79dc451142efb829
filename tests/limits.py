"""What a machine may refuse, made to happen: permissions that bind root too, a disk on which nothing fits."""

import ctypes
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

# From Linux' capability.h: the version of the calls, and the rights to pass over permissions.
VERSION = 0x20080522
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Data(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


@contextmanager
def permissions_that_bind() -> Iterator[None]:
    """Let permissions of files bind this thread while the block runs, also where tests run as root."""
    if os.geteuid():
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _Header(VERSION, 0), (_Data * 2)()

    def check(result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), "capabilities cannot be changed")

    check(libc.capget(ctypes.byref(header), data))
    before = data[0].effective
    try:
        data[0].effective = before & ~(1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH)
        check(libc.capset(ctypes.byref(header), data))
        yield
    finally:
        data[0].effective = before
        check(libc.capset(ctypes.byref(header), data))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` (bytes) while the block runs: writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
