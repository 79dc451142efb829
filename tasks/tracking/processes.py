"""The process of a run, recorded as tags of the run: when the process has ended, so has the run."""

import socket
from collections.abc import Mapping

import psutil

PROCESS_TAGS = ("charrnn.host", "charrnn.pid", "charrnn.process_started")


def process_tags() -> dict[str, str]:
    """Return the tags of this process."""
    process = psutil.Process()
    return dict(zip(PROCESS_TAGS, (socket.gethostname(), str(process.pid), str(process.create_time())), strict=True))


def is_running(tags: Mapping[str, str]) -> bool:
    """Return whether the process in `tags` is another process of this machine, and runs."""
    host, pid = (tags.get(tag, "") for tag in PROCESS_TAGS[:2])
    mine = process_tags()
    return host == mine[PROCESS_TAGS[0]] and pid not in ("", mine[PROCESS_TAGS[1]]) and not is_gone(tags)


def is_gone(tags: Mapping[str, str]) -> bool:
    """Return whether the process in `tags` was one of this machine, and has ended."""
    host, pid, started = (tags.get(tag, "") for tag in PROCESS_TAGS)
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        return str(psutil.Process(int(pid)).create_time()) != started
    except psutil.NoSuchProcess:
        return True
