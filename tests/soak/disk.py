"""A small disk for a soak, which can be filled: a tmpfs, which only root can mount."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

SIZE = "4g"


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Have a small disk at `folder` while the block runs; gives whether it could be had."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "charrnn-soak", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Leave no room on the disk of `folder` while the block runs."""
    path = folder / "filler"
    try:
        with open(path, "wb") as file:
            room = os.statvfs(folder)
            # Others write meanwhile: what they leave is taken page by page.
            os.posix_fallocate(file.fileno(), 0, int(room.f_bavail * room.f_frsize * 0.99))
            file.seek(0, os.SEEK_END)
            with contextlib.suppress(OSError):
                while True:
                    os.write(file.fileno(), bytes(4096))
        yield
    finally:
        path.unlink()
