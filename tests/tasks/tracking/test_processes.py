"""Whether the process of a run is another one that runs, or one that has ended."""

import socket
import subprocess
import sys

import psutil

from tasks.tracking.processes import PROCESS_TAGS, is_gone, is_running, process_tags


def tags_of(process: psutil.Process) -> dict[str, str]:
    return dict(zip(PROCESS_TAGS, (socket.gethostname(), str(process.pid), str(process.create_time())), strict=True))


def test_this_process_is_neither_another_one_nor_gone() -> None:
    assert process_tags() == tags_of(psutil.Process())
    assert not is_running(process_tags())
    assert not is_gone(process_tags())


def test_another_process_runs_until_it_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        tags = tags_of(psutil.Process(process.pid))
        assert (is_running(tags), is_gone(tags)) == (True, False)
        process.kill()
    assert (is_running(tags), is_gone(tags)) == (False, True)


def test_of_a_process_of_another_machine_nothing_is_known() -> None:
    tags = process_tags() | {PROCESS_TAGS[0]: "another-machine", PROCESS_TAGS[1]: "1"}
    assert (is_running(tags), is_gone(tags)) == (False, False)
    assert (is_running({}), is_gone({})) == (False, False)
