import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from charrnn.errors import FileError, TrackingError
from tasks.tracking.outbox.messages import Message, Metrics, RefusedError, Row, SetTags
from tasks.tracking.outbox.queue import Outbox
from tasks.tracking.outbox.sender import BATCH, Sender


class Store:
    """Takes what is sent, or fails as often as it is told to, or does not answer until it may."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.failures = 0
        self.refuses: Message | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, message: Message, attachment: Path | None) -> None:
        assert self.may_answer.wait(60)
        if self.failures:
            self.failures -= 1
            raise ConnectionRefusedError("connection refused")
        if message == self.refuses:
            raise RefusedError("not this one")
        self.sent.append(message)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.tracking.outbox.sender.FIRST_DELAY", 0.01)
    monkeypatch.setattr("tasks.tracking.outbox.sender.LONGEST_DELAY", 0.02)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def sender(store: Store, tmp_path: Path) -> Iterator[Sender]:
    sender = Sender(Outbox(tmp_path / "outbox" / "a-run"), store, "http://store", str)
    yield sender
    store.may_answer.set()
    store.failures = 0
    sender.wait(60)


def raising(error: Exception) -> Callable[..., None]:
    def function(*_: object) -> None:
        raise error

    return function


def tags(number: int) -> SetTags:
    return SetTags({"number": str(number)})


def test_everything_is_sent_in_order_without_being_waited_for(sender: Sender, store: Store) -> None:
    store.may_answer.clear()
    for number in range(5):
        sender.append(tags(number))
    assert store.sent == []
    assert sender.outbox.messages() == [tags(number) for number in range(5)]
    store.may_answer.set()
    assert sender.wait(60) == 0
    assert store.sent == [tags(number) for number in range(5)]
    assert sender.outbox.pending() == []


def test_what_a_dead_process_left_is_sent_before_anything_newer(sender: Sender, store: Store) -> None:
    Outbox(sender.outbox.folder).append(tags(0), "http://store")
    sender.append(tags(1))
    assert sender.wait(60) == 0
    assert store.sent == [tags(0), tags(1)]


def test_an_outage_is_told_once_and_so_is_its_end(
    sender: Sender, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "charrnn")
    store.failures = 7
    for number in range(3):
        sender.append(tags(number))
    assert sender.wait(60) == 0
    assert store.sent == [tags(0), tags(1), tags(2)]
    away, back = caplog.messages
    assert away.startswith(
        "warning   tracking store http://store does not answer (connection refused); the run goes on"
    )
    assert away.endswith(f"operations are kept in {sender.outbox.folder}")
    assert back.startswith("tracking  the store answers again")


def test_a_connection_that_breaks_once_is_not_told(
    sender: Sender, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "charrnn")
    for number in range(3):
        store.failures = 1
        sender.append(tags(number))
        assert sender.wait(60) == 0
    assert store.sent == [tags(0), tags(1), tags(2)]
    assert caplog.messages == []


def test_rows_that_could_not_be_written_down_are_with_the_next_ones(
    sender: Sender, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Row("train/loss", 1.0, 0, step) for step in range(3)]
    with monkeypatch.context() as full:
        full.setattr(Outbox, "append", raising(FileError("no room")))
        for row in rows[:2]:
            sender.gather(row)
        with pytest.raises(FileError):
            sender.flush()
    sender.gather(rows[2])
    sender.flush()
    assert sender.wait(60) == 0
    assert store.sent == [Metrics(tuple(rows))]


def test_who_has_waited_long_enough_gets_to_know_how_much_is_left(sender: Sender, store: Store) -> None:
    store.failures = 1_000_000
    sender.append(tags(0))
    sender.append(tags(1))
    assert sender.wait(0.1) == 2
    assert sender.wait(0) == 2
    assert sender.outbox.messages() == [tags(0), tags(1)]


def test_who_waits_is_patient_with_a_store_that_is_only_slow(sender: Sender, store: Store) -> None:
    store.may_answer.clear()
    sender.append(tags(0))
    threading.Timer(0.2, store.may_answer.set).start()
    assert sender.wait(0) == 0
    assert store.sent == [tags(0)]


def test_a_refusal_is_told_and_does_not_hold_up_the_rest(sender: Sender, store: Store) -> None:
    store.refuses = tags(1)
    for number in range(3):
        sender.append(tags(number))
    assert sender.wait(60) == 0
    assert store.sent == [tags(0), tags(2)]
    for _ in range(2):
        with pytest.raises(TrackingError, match=r"^tracking\.uri http://store: not this one \(.* kept in "):
            sender.raise_refusal()
    sender.outbox.refusals.clear()
    sender.raise_refusal()


def test_rows_are_gathered_into_batches_and_on_disk_when_flushed(sender: Sender, store: Store) -> None:
    store.may_answer.clear()
    rows = [Row("train/loss", 1.0, 0, step) for step in range(2 * BATCH + 500)]
    for row in rows:
        sender.gather(row)
    sender.flush()
    waiting = sender.outbox.messages()
    assert [len(batch.rows) for batch in waiting if isinstance(batch, Metrics)] == [BATCH, BATCH, 500]
    store.may_answer.set()
    assert sender.wait(60) == 0
    assert [row for batch in store.sent if isinstance(batch, Metrics) for row in batch.rows] == rows


def test_rows_are_written_down_now_and_then_without_being_asked(
    sender: Sender, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.tracking.outbox.sender.FLUSH_SECONDS", 0.0)
    sender.gather(Row("train/loss", 1.0, 0, 1))
    assert sender.wait(60) == 0
    assert len(store.sent) == 1


def test_there_is_no_thread_while_nothing_waits(sender: Sender, store: Store) -> None:
    def threads() -> list[threading.Thread]:
        # Those of other tests may still be asking for a store that is gone.
        return [thread for thread in threading.enumerate() if thread.name == "tracking" and thread not in before]

    before: list[threading.Thread] = list(threading.enumerate())
    store.may_answer.clear()
    sender.append(tags(0))
    (thread,) = threads()
    store.may_answer.set()
    assert sender.wait(60) == 0
    thread.join(60)
    assert threads() == []
    sender.append(tags(1))
    assert sender.wait(60) == 0
    assert store.sent == [tags(0), tags(1)]
