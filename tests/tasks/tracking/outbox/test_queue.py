"""An outbox on disk and a store that is a list: enough to know that nothing is lost, doubled or out of order."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config.loading import PROJECT
from charrnn.data.folder import DataFolder
from charrnn.errors import FileError
from tasks.tracking.outbox.messages import LogFile, LogText, Message, RefusedError, SetTags
from tasks.tracking.outbox.queue import Outbox, outboxes

STORE = "http://store"


@pytest.fixture
def box(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox" / "a-run")


class Sent:
    """What has arrived, in order, with the content of what was attached."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.contents: list[bytes | None] = []

    def __call__(self, message: Message, attachment: Path | None) -> None:
        self.messages.append(message)
        self.contents.append(attachment.read_bytes() if attachment else None)


@pytest.fixture
def sent() -> Sent:
    return Sent()


def tags(number: int) -> SetTags:
    return SetTags({"number": str(number)})


def test_what_was_written_is_sent_in_order_and_removed(box: Outbox, sent: Sent) -> None:
    messages = [tags(number) for number in range(12)]
    for message in messages:
        box.append(message, STORE)
    assert box.messages() == messages
    box.drain(sent)
    assert sent.messages == messages
    assert box.pending() == []


def test_another_process_finds_what_was_written_and_for_whom(box: Outbox, sent: Sent) -> None:
    box.append(tags(1), STORE)
    box.append(tags(2), "http://another")
    other = Outbox(box.folder)
    assert other.address == STORE
    other.drain(sent)
    assert sent.messages == [tags(1), tags(2)]


class CrashError(BaseException):
    """The end of a process: nothing is done after it."""


FATES = ("arrives", "lost on the way", "answer lost", "crash before", "crash after")


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 9), max_size=10),
    st.lists(st.sampled_from(FATES), max_size=12),
    st.lists(st.booleans(), max_size=22),
)
def test_whatever_happens_everything_arrives_in_order_and_again_only_if_that_was_not_known(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], fates: list[str], drains: list[bool]
) -> None:
    box = Outbox(tmp_path_factory.mktemp("outbox") / "a-run")
    arrived: list[tuple[int, str]] = []
    fates, drains = list(fates), list(drains)

    def send(message: Message, attachment: Path | None) -> None:
        assert isinstance(message, SetTags)
        fate = fates.pop(0) if fates else "arrives"
        if fate in ("arrives", "answer lost", "crash after"):
            arrived.append((int(message.values["place"]), fate))
        if fate.startswith("crash"):
            raise CrashError
        if fate != "arrives":
            raise OSError(fate)

    def drain() -> None:
        nonlocal box
        try:
            box.drain(send)
        except OSError:
            return
        except CrashError:
            box = Outbox(box.folder)

    for place, number in enumerate(numbers):
        box.append(SetTags({"place": str(place), "number": str(number)}), STORE)
        if drains and drains.pop():
            drain()
    while box.pending():
        drain()
    for (place, fate), (following, _) in pairwise(arrived):
        assert following == place + (fate == "arrives")
    assert sorted({place for place, _ in arrived}) == list(range(len(numbers)))


APPEND = """
import os, signal, sys
from pathlib import Path
from tasks.tracking.outbox.messages import SetTags
from tasks.tracking.outbox.queue import Outbox
for number in range(3):
    Outbox(Path(sys.argv[1])).append(SetTags({"number": str(number)}), "http://store")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_written_outlives_a_process_that_is_killed(box: Outbox, sent: Sent) -> None:
    done = subprocess.run([sys.executable, "-c", APPEND, str(box.folder)], cwd=PROJECT)
    assert done.returncode == -signal.SIGKILL
    box.drain(sent)
    assert sent.messages == [tags(number) for number in range(3)]


def test_an_attached_file_is_sent_as_it_was_when_it_was_given(box: Outbox, sent: Sent, tmp_path: Path) -> None:
    file = tmp_path / "last.ckpt"
    file.write_bytes(b"old")
    box.append(LogFile("a/last.ckpt"), STORE, file)
    (tmp_path / "new").write_bytes(b"new")
    os.replace(tmp_path / "new", file)
    box.append(LogFile("b/last.ckpt"), STORE, file)
    file.unlink()
    box.drain(sent)
    assert sent.contents == [b"old", b"new"]
    assert {path.name for path in box.folder.iterdir()} == {"store", ".sending"}


def test_a_file_that_is_not_there_is_named_and_nothing_waits(box: Outbox, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"last\.ckpt"):
        box.append(LogFile("last.ckpt"), STORE, tmp_path / "last.ckpt")
    assert box.pending() == []


def test_an_artifact_that_waits_gives_way_to_a_newer_one_for_the_same_path(
    box: Outbox, sent: Sent, tmp_path: Path
) -> None:
    for number in range(4):
        file = tmp_path / str(number) / "last.ckpt"
        file.parent.mkdir()
        file.write_bytes(b"%d" % number)
        box.append(LogFile("checkpoints/last.ckpt"), STORE, file)
        box.append(LogText("sample.txt", str(number)), STORE)
        box.append(tags(number), STORE)
    box.drain(sent)
    expected = [tags(0), tags(1), tags(2), LogFile("checkpoints/last.ckpt"), LogText("sample.txt", "3"), tags(3)]
    assert sent.messages == expected
    assert sent.contents == [None, None, None, b"3", None, None]


def test_one_that_is_replaced_while_it_is_sent_is_no_failure(box: Outbox, sent: Sent, tmp_path: Path) -> None:
    file = tmp_path / "last.ckpt"
    file.write_bytes(b"weights")
    box.append(LogFile("last.ckpt"), STORE, file)

    def send(message: Message, attachment: Path | None) -> None:
        if not sent.messages:
            box.append(LogFile("last.ckpt"), STORE, file)
        sent(message, attachment)

    # Its file is gone by the time it is read.
    box.drain(send)
    assert sent.contents == [b"weights"]
    assert box.pending() == []


def refuse(message: Message, attachment: Path | None) -> None:
    raise RefusedError("not this one")


def test_what_is_refused_is_set_aside_and_waits_again_in_its_place_when_restored(box: Outbox, sent: Sent) -> None:
    def choose(message: Message, attachment: Path | None) -> None:
        (refuse if message == tags(1) else sent)(message, attachment)

    for number in range(3):
        box.append(tags(number), STORE)
    box.drain(choose)
    assert sent.messages == [tags(0), tags(2)]
    assert [str(refusal) for refusal in box.refusals] == ["not this one"]
    assert box.pending() == []
    box.append(tags(3), STORE)
    box.restore()
    assert box.messages() == [tags(1), tags(3)]


def test_a_damaged_message_is_set_aside_and_told(box: Outbox, sent: Sent) -> None:
    for number in range(2):
        box.append(tags(number), STORE)
    damaged = box.pending()[0]
    damaged.write_bytes(b'{"kind": "tags", "val')
    assert box.messages() == [tags(1)]
    box.drain(sent)
    assert sent.messages == [tags(1)]
    assert str(box.refusals[0]).startswith(f"{damaged}: is damaged")


def test_only_an_outbox_that_holds_nothing_is_discarded(box: Outbox, sent: Sent) -> None:
    box.discard()
    assert not box.folder.exists()
    box.append(tags(1), STORE)
    box.discard()
    assert box.messages() == [tags(1)]
    box.drain(refuse)
    box.discard()
    box.restore()
    assert box.messages() == [tags(1)]
    box.drain(sent)
    box.discard()
    assert not box.folder.exists()


def together(*functions: Callable[[], None]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_writing_and_sending_do_not_get_in_each_others_way(box: Outbox, sent: Sent, tmp_path: Path) -> None:
    count = 60
    written = threading.Event()

    def write() -> None:
        for number in range(count):
            file = tmp_path / str(number)
            file.write_bytes(b"%d" % number)
            Outbox(box.folder).append(LogFile(str(number)), STORE, file)
        written.set()

    def send() -> None:
        while not written.is_set():
            Outbox(box.folder).drain(sent)

    together(write, send, send)
    box.drain(sent)
    assert sent.messages == [LogFile(str(number)) for number in range(count)]
    assert sent.contents == [b"%d" % number for number in range(count)]


def test_a_number_is_not_given_away_before_what_it_stood_for_is_gone(
    box: Outbox, sent: Sent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "last.ckpt"
    file.write_bytes(b"weights")
    writer = threading.Thread(target=lambda: box.append(LogFile("last.ckpt"), STORE, file))
    remove = shutil.rmtree

    def remove_late(*arguments: Any, **options: Any) -> None:
        if writer.ident is None:
            writer.start()
            writer.join(0.3)
        remove(*arguments, **options)

    monkeypatch.setattr(shutil, "rmtree", remove_late)
    box.append(tags(1), STORE)
    box.drain(sent)
    writer.join()
    box.drain(sent)
    assert sent.contents == [None, b"weights"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "outbox").touch()
    box = Outbox(tmp_path / "outbox" / "a-run")
    with pytest.raises(FileError, match=f"{box.folder}: cannot write: "):
        box.append(tags(1), STORE)


def test_each_run_has_a_folder_under_the_data_directory(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    assert outboxes(data) == []
    for run_id in ("b", "a"):
        Outbox(data.outbox(run_id)).append(tags(1), STORE)
    (tmp_path / "outbox" / "no outbox").mkdir()
    assert [box.folder for box in outboxes(data)] == [tmp_path / "outbox" / "a", tmp_path / "outbox" / "b"]
