import fcntl
import logging
import os
import re
import struct
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace

import pytest
from rich.console import Console

from charrnn import terminal
from charrnn.terminal import bar, configure_logging
from tests.workplace import Finished, call

DETAIL = "step 12000  loss 1.234  val 1.345  160,265 characters/s  100 s left"


@pytest.fixture(autouse=True)
def logger() -> Iterator[logging.Logger]:
    """The project's logger without handlers, as it is when a script starts."""
    found = logging.getLogger("charrnn")
    handlers, level, propagate = list(found.handlers), found.level, found.propagate
    found.handlers.clear()
    found.setLevel(logging.INFO)
    yield found
    found.handlers[:], found.propagate = handlers, propagate
    found.setLevel(level)


class Screen:
    """What was written to a pseudo-terminal."""

    def __init__(self) -> None:
        self.bytes = b""

    @property
    def text(self) -> str:
        """All that was shown, without colours, also what was wiped away again."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.bytes.decode())

    @property
    def left(self) -> str:
        """What stands there in the end: the cursor moved, lines were written over and erased."""
        rows, row, column = [""], 0, 0
        for token in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+", self.bytes.decode()):
            if token == "\r":
                column = 0
            elif token == "\n":
                row += 1
                rows += [""] * (row == len(rows))
            elif token.startswith("\x1b"):
                if token.endswith("A"):
                    row -= int(token[2:-1])
                elif token == "\x1b[2K":
                    rows[row] = ""
            else:
                rows[row] = rows[row][:column].ljust(column) + token + rows[row][column + len(token) :]
                column += len(token)
        return "\n".join(rows)


@pytest.fixture
def in_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractContextManager[Screen]]:
    monkeypatch.setenv("TERM", "xterm")

    @contextmanager
    def in_terminal(columns: int = 120) -> Iterator[Screen]:
        """Let the block write to a pseudo-terminal of that width."""
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        monkeypatch.setenv("COLUMNS", str(columns))
        screen = Screen()

        def read() -> None:
            # The other end is closed: an error on Linux, an empty read elsewhere.
            with open(master, "rb", buffering=0) as file:
                try:
                    while piece := file.read(4096):
                        screen.bytes += piece
                except OSError:
                    return

        reader = threading.Thread(target=read)
        reader.start()
        try:
            with open(slave, "w", encoding="utf-8") as file:
                monkeypatch.setattr(terminal, "console", Console(file=file))
                yield screen
        finally:
            reader.join()

    return in_terminal


@pytest.mark.parametrize("columns", [80, 150])
def test_a_terminal_shows_a_bar_with_everything_said_that_leaves_no_trace(
    in_terminal: Callable[..., AbstractContextManager[Screen]], columns: int
) -> None:
    with in_terminal(columns) as screen:
        configure_logging(quiet=False)
        with bar("train") as progress:
            progress.update(0.5, DETAIL)
    assert "train ━" in screen.text
    assert DETAIL in screen.text
    assert "step" not in screen.left


def test_log_lines_stay_above_the_bar_as_they_are(
    in_terminal: Callable[..., AbstractContextManager[Screen]], logger: logging.Logger
) -> None:
    with in_terminal() as screen:
        configure_logging(quiet=False)
        with bar("train") as progress:
            progress.update(0.5, DETAIL)
            logger.info("  step     20      1 s  val loss 2.5 [bold] /a/path")
    assert "  step     20      1 s  val loss 2.5 [bold] /a/path" in screen.left
    assert b"\x1b[1;36m2.5" not in screen.bytes


def test_an_unknown_share_shows_a_bar_too(in_terminal: Callable[..., AbstractContextManager[Screen]]) -> None:
    with in_terminal() as screen:
        configure_logging(quiet=False)
        with bar("download") as progress:
            progress.update(None, "3.2 MB")
    assert "download ━" in screen.text
    assert "3.2 MB" in screen.text


def test_quiet_shows_nothing_in_a_terminal_but_warnings(
    in_terminal: Callable[..., AbstractContextManager[Screen]], logger: logging.Logger
) -> None:
    with in_terminal() as screen:
        configure_logging(quiet=True)
        with bar("train") as progress:
            progress.update(0.5, DETAIL)
        logger.info("train     lstm")
        logger.warning("warning   something")
    assert screen.text.split() == ["warning", "something"]


def test_a_library_user_sees_no_bar(in_terminal: Callable[..., AbstractContextManager[Screen]]) -> None:
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


def test_a_run_in_a_terminal_shows_loss_speed_and_time_left(
    in_terminal: Callable[..., AbstractContextManager[Screen]], finished: Finished
) -> None:
    short = ["--set", "training.max_steps=30", "--set", "tracking.experiment=terminal"]
    with in_terminal() as screen:
        answer = call(*finished.workplace.options, *short, "--set", "tracking.registered_model=null")
    assert answer.code == 0, answer.err
    assert re.search(r"train ━.*step 30  loss \d\.\d{3}  val \d\.\d{3}  [\d,]+ characters/s  0 s left", screen.text)
    assert "evaluate  test loss" in screen.left
    assert "characters/s" not in screen.left
