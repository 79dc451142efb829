"""SIGINT and SIGTERM: noted at once, acted on when everything can be saved."""

import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from charrnn.stopping import StopRequest, signals_noted, signals_wait, stop_requests

SIGNALS = [signal.SIGINT, signal.SIGTERM]


class Terminated(BaseException):
    """Made of a signal's number, as what a task runner raises at SIGTERM."""

    def __init__(self, number: int) -> None:
        self.signal = number


@pytest.fixture(autouse=True)
def _harmless_handlers() -> Iterator[None]:
    """Let a signal that nobody notes fail the test, not end the test session."""

    def unnoted(number: int, frame: object) -> None:
        raise AssertionError(f"signal {number} was not noted")

    before = {number: signal.signal(number, unnoted) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_the_block_goes_on(number: int) -> None:
    noted = []
    with stop_requests() as stop:
        noted.append(stop.signal)
        signal.raise_signal(number)
        noted.append(stop.signal)
    assert noted == [None, number]


@pytest.mark.parametrize("second", SIGNALS)
@pytest.mark.parametrize("first", SIGNALS)
def test_the_second_signal_interrupts_at_once(first: int, second: int) -> None:
    with stop_requests() as stop:
        signal.raise_signal(first)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(second)
    assert stop.signal == first


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


def test_the_handlers_of_before_are_put_back_also_after_an_error() -> None:
    before, during = handlers(), []

    def fails() -> None:
        with stop_requests():
            during.extend(handlers())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert not set(during) & set(before)
    assert handlers() == before


def test_a_request_ends_the_task_as_prefect_would() -> None:
    stop = StopRequest()
    stop.raise_if_requested(Terminated)
    stop.signal = signal.SIGINT
    with pytest.raises(KeyboardInterrupt):
        stop.raise_if_requested(Terminated)
    stop.signal = signal.SIGTERM
    with pytest.raises(Terminated) as caught:
        stop.raise_if_requested(Terminated)
    assert caught.value.signal == signal.SIGTERM


def test_outside_the_main_thread_nothing_changes() -> None:
    before, seen = handlers(), []

    def block() -> None:
        with stop_requests() as stop:
            seen.extend([stop.signal, *handlers()])

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert seen == [None, *before]


def interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def test_a_signal_that_is_noted_does_what_it_did() -> None:
    signal.signal(signal.SIGINT, interrupted)
    with signals_noted(Terminated) as noted, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert noted.signal == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is interrupted


def test_a_signal_that_a_destructor_swallows_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", printed.append)

    class Dying:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, interrupted)
    with signals_noted(Terminated) as noted:
        dying = Dying()
        del dying
        with stop_requests(overlooked=True) as stop:
            pass
    assert noted.signal == stop.signal == signal.SIGINT
    assert printed == []
    with pytest.raises(KeyboardInterrupt):
        noted.raise_if_requested(Terminated)


def test_a_signal_of_another_run_is_forgotten() -> None:
    signal.signal(signal.SIGINT, interrupted)
    with signals_noted(Terminated), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with signals_noted(Terminated), stop_requests(overlooked=True) as stop:
        assert stop.signal is None


def test_a_signal_noted_before_does_not_count_unless_it_is_asked_for() -> None:
    signal.signal(signal.SIGINT, interrupted)
    with signals_noted(Terminated):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with stop_requests() as stop:
            assert stop.signal is None


def test_other_errors_that_a_destructor_drops_are_printed_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __del__(self) -> None:
            raise ZeroDivisionError

    printed: list[type[BaseException] | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: printed.append(dropped.exc_type))
    with signals_noted(Terminated):
        failing = Failing()
        del failing
    assert printed == [ZeroDivisionError]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_until_the_block_has_ended(number: int) -> None:
    signal.signal(number, interrupted)
    ended = []

    def goes_on() -> None:
        with signals_wait():
            signal.raise_signal(number)
            ended.append(number)

    with pytest.raises(KeyboardInterrupt):
        goes_on()
    assert ended == [number]
    assert signal.getsignal(number) is interrupted


def test_a_signal_that_waited_is_noted_where_it_would_have_been() -> None:
    with stop_requests() as stop, signals_wait():
        signal.raise_signal(signal.SIGTERM)
    assert stop.signal == signal.SIGTERM
