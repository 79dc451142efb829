"""What a person sees while tasks run, in a terminal and elsewhere."""

import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from charrnn import terminal
from charrnn.terminal import bar, configure_logging
from tests.screen import in_terminal, unconfigured_logger

DETAIL = "step 12000  loss 1.234  val 1.345  160,265 characters/s  100 s left"


@pytest.fixture(autouse=True)
def logger() -> Iterator[logging.Logger]:
    with unconfigured_logger() as logger:
        yield logger


@pytest.mark.parametrize("columns", [80, 150])
def test_a_terminal_shows_a_bar_with_everything_said_that_leaves_no_trace(columns: int) -> None:
    with in_terminal(columns) as screen:
        configure_logging(quiet=False)
        with bar("train") as progress:
            progress.update(0.5, DETAIL)
    assert "train ━" in screen.text
    assert DETAIL in screen.text
    assert "step" not in screen.left


def test_log_lines_stay_above_the_bar_as_they_are(logger: logging.Logger) -> None:
    with in_terminal() as screen:
        configure_logging(quiet=False)
        with bar("train") as progress:
            progress.update(0.5, DETAIL)
            logger.info("  step     20      1 s  val loss 2.5 [bold] /a/path")
    assert "  step     20      1 s  val loss 2.5 [bold] /a/path" in screen.left
    assert b"\x1b[1;36m2.5" not in screen.bytes


def test_a_log_line_holds_nothing_that_no_server_takes(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    logger.info("waits in %s", "/d\udcef/outbox")
    assert caplog.messages == [r"waits in /d\xef/outbox"]


def test_an_unknown_share_shows_a_bar_too() -> None:
    with in_terminal() as screen:
        configure_logging(quiet=False)
        with bar("download") as progress:
            progress.update(None, "3.2 MB")
    assert "download ━" in screen.text
    assert "3.2 MB" in screen.text


def test_quiet_shows_nothing_in_a_terminal_but_warnings(logger: logging.Logger) -> None:
    with in_terminal() as screen:
        configure_logging(quiet=True)
        with bar("train") as progress:
            progress.update(0.5, DETAIL)
        logger.info("train     lstm")
        logger.warning("warning   something")
    assert screen.text.split() == ["warning", "something"]


def test_a_library_user_sees_no_bar() -> None:
    with in_terminal() as screen, bar("train") as progress:
        progress.update(0.5, DETAIL)
    assert screen.bytes == b""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock that the bar looks at, set by hand (s)."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_elsewhere_a_line_comes_every_ten_seconds(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(quiet=False)
    with bar("train") as progress:
        for clock.now in range(1, 26):
            progress.update(clock.now / 100, f"step {clock.now}")
    assert capsys.readouterr() == ("", "train   10%  step 10\ntrain   20%  step 20\n")


def test_elsewhere_an_unknown_share_is_not_made_up(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(quiet=False)
    with bar("download") as progress:
        clock.now = 10.0
        progress.update(None, "3.2 MB")
    assert capsys.readouterr().err == "download  3.2 MB\n"


def test_quiet_says_nothing_elsewhere_but_warnings(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str], logger: logging.Logger
) -> None:
    configure_logging(quiet=True)
    with bar("train") as progress:
        clock.now = 100.0
        progress.update(0.5, DETAIL)
    logger.warning("warning   something")
    assert capsys.readouterr() == ("", "warning   something\n")
