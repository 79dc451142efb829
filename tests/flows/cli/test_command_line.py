import os
import re
import signal
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.config.loading import PROJECT
from charrnn.errors import CharrnnError, DivergedError, ParamsError
from flows.cli.command_line import guarded, interruptible, pipeline_parser, sample_parser, sync_parser

PARSERS = {"pipeline.py": pipeline_parser, "sample.py": sample_parser, "sync.py": sync_parser}


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest) -> ArgumentParser:
    return PARSERS[request.param]()


def options(parser: ArgumentParser) -> list[str]:
    return [action.option_strings[-1] for action in parser._actions if action.option_strings]


def test_help_describes_every_option(parser: ArgumentParser) -> None:
    text = parser.format_help()
    for action in parser._actions:
        assert action.help, action.dest
        assert (action.option_strings or [str(action.metavar)])[-1] in text


def test_help_gives_examples_of_options_that_there_are(parser: ArgumentParser) -> None:
    examples = [line for line in str(parser.epilog).splitlines() if "python flows/" in line]
    assert len(examples) >= 3
    for line in examples:
        assert set(re.findall(r"--[a-z-]+", line)) <= set(options(parser))
        assert f"flows/{parser.prog}" in line
    for path in re.findall(r"params/\w+\.yaml", str(parser.epilog)):
        assert (PROJECT / path).exists()


def test_help_fits_a_terminal(parser: ArgumentParser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert max(map(len, parser.format_help().splitlines())) <= 120


@pytest.mark.parametrize("script", PARSERS)
def test_help_is_answered_by_the_script_from_any_folder_before_anything_slow(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(PROJECT / "flows" / script), "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"usage: {script}")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"torch", "prefect", "mlflow", "pandas"}


def test_options_are_not_guessed_from_their_beginning(
    parser: ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--run", "last"] if parser.prog == "sample.py" else []
    with pytest.raises(SystemExit) as stop:
        parser.parse_args([*model, "--para", "x.yaml"])
    assert stop.value.code == 2
    assert "--para" in capsys.readouterr().err.splitlines()[-1]


def test_params_and_set_may_be_given_several_times(parser: ArgumentParser) -> None:
    model = ["--run", "last"] if parser.prog == "sample.py" else []
    arguments = parser.parse_args([*model, "--params", "a", "--set", "b=1", "--params", "c", "--set", "d=2"])
    assert arguments.params == ["a", "c"]
    assert arguments.overrides == ["b=1", "d=2"]


def test_a_sample_needs_exactly_one_model(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--run", "last", "--model", "charrnn"], ["--model", "x", "--checkpoint", "y"]):
        with pytest.raises(SystemExit):
            sample_parser().parse_args(arguments)
        assert "--model" in capsys.readouterr().err.splitlines()[-1]


def raises(error: BaseException) -> Callable[[], int]:
    def main() -> int:
        raise error

    return main


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
        interruptible()

        def main() -> int:
            signal.raise_signal(signal.SIGINT)
            return 0

        assert guarded(main) == 130
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("script", "slow"), [("pipeline.py", "prefect"), ("sample.py", "torch")])
def test_ctrl_c_during_the_imports_leaves_no_traceback(script: str, slow: str, tmp_path: Path) -> None:
    arguments = ["--checkpoint", "x"] if script == "sample.py" else []
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", str(PROJECT / "flows" / script), *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.rpartition("|")[2].strip().startswith(f"{slow}."):
            break
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait() == -signal.SIGINT
    assert "Traceback" not in rest


WRITE = "import sys; from flows.cli.command_line import guarded; sys.exit(guarded(lambda: print('text' * {}) or 0))"


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
def test_a_full_disk_under_standard_output_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", WRITE.format(1)], cwd=PROJECT, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (2, "error: [Errno 28] No space left on device\n")
