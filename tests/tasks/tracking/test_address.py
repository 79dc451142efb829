import pytest

from charrnn.errors import TrackingError
from tasks.tracking.address import waiting_out_locks

LOCKED = "tracking.uri sqlite:///a.db: (sqlite3.OperationalError) database is locked"


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def failing(messages: list[str], kind: type[Exception] = TrackingError) -> str:
    """Fail with one message after the other, then answer."""
    if messages:
        raise kind(messages.pop(0))
    return "an answer"


@pytest.mark.parametrize("kind", [TrackingError, OSError])
def test_a_store_that_is_locked_is_asked_again(kind: type[Exception]) -> None:
    assert waiting_out_locks(failing)([LOCKED, LOCKED], kind) == "an answer"


def test_a_store_that_stays_locked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.tracking.address.LOCK_SECONDS", 0.0)
    with pytest.raises(TrackingError, match="database is locked"):
        waiting_out_locks(failing)([LOCKED, LOCKED])


def test_nothing_else_is_waited_for() -> None:
    messages = ["connection refused", "connection refused"]
    with pytest.raises(TrackingError, match="connection refused"):
        waiting_out_locks(failing)(messages)
    assert len(messages) == 1
