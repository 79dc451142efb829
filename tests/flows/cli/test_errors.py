"""How commands end: exit codes, one line for a mistake, signals, output that is not read."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.config.loading import PROJECT
from charrnn.errors import CharrnnError, DivergedError, ParamsError
from flows.cli.app import run
from flows.cli.errors import guarded, interruptible


def raises(error: BaseException) -> Callable[[], int]:
    def main() -> int:
        raise error

    return main


def test_what_a_terminal_would_obey_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raises(ParamsError("\x1b[2Ja file\x07 of another"))) == 2
    assert capsys.readouterr() == ("", "error: �[2Ja file� of another\n")


def test_bytes_of_an_argument_that_are_no_utf8_are_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--zy\udcef"]) == 2
    assert capsys.readouterr() == ("", "error: no such option: --zy\\xef\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [(ParamsError("x.y: must be > 0, got -1"), 2), (DivergedError("at step 3"), 1), (KeyboardInterrupt(), 130)],
)
def test_each_end_has_its_exit_code(error: BaseException, code: int) -> None:
    assert guarded(raises(error)) == code
    assert guarded(lambda: 0) == 0


def test_a_mistake_is_one_line_however_the_message_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    guarded(raises(CharrnnError("two\n  lines\tand a tab")))
    assert capsys.readouterr() == ("", "error: two lines and a tab\n")


def test_what_nobody_expected_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded(raises(ZeroDivisionError()))


def test_sigterm_ends_with_143_and_the_handlers_are_put_back() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]

    def main() -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    with pytest.raises(SystemExit) as stop:
        guarded(main)
    assert stop.value.code == 143
    assert [signal.getsignal(number) for number in numbers] == before


def test_ctrl_c_is_answered_inside_guarded_though_it_was_left_to_the_system_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

        def main() -> int:
            signal.raise_signal(signal.SIGINT)
            return 0

        assert guarded(main) == 130
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)


def test_while_slow_modules_are_imported_signals_are_left_to_the_system() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT)

    def main() -> int:
        mine = [signal.getsignal(number) for number in numbers]
        with interruptible():
            assert [signal.getsignal(number) for number in numbers] == [signal.SIG_DFL, signal.SIG_DFL]
        assert [signal.getsignal(number) for number in numbers] == mine
        return 7

    assert guarded(main) == 7


WRITE = """
import sys
from flows.cli.errors import guarded
from flows.cli.output import Output, drop_rest
sys.stdout = output = Output(sys.stdout)
code = guarded(lambda: print('text' * {}) or 0)
drop_rest(output)
sys.exit(code)
"""


@pytest.fixture(autouse=True)
def _buffered_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let scripts keep what they print until the end, as they do for a user who has set nothing."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.mark.parametrize("times", [1, 100_000])
def test_a_reader_that_goes_away_is_no_error(times: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", WRITE.format(times)], cwd=PROJECT, stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that is always full")
@pytest.mark.parametrize("times", [1, 100_000])
def test_a_full_disk_under_standard_output_is_one_line(times: int) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", WRITE.format(times)], cwd=PROJECT, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (2, "error: cannot write standard output: No space left on device\n")


def test_an_error_of_something_else_is_not_called_one_of_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raises(OSError(28, "No space left on device", "it"))) == 2
    assert capsys.readouterr() == ("", "error: [Errno 28] No space left on device: 'it'\n")
