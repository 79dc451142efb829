"""Output in processes of their own, whose streams have encodings that lack what is written."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import charrnn
from charrnn.config.loading import PROJECT
from flows.cli.output import any_character
from tests.workplace import Workplace

NO_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ENCODINGS = [("ascii", {"PYTHONIOENCODING": "ascii"}), ("cp1252", {"PYTHONIOENCODING": "cp1252"}), ("ascii", NO_UTF8)]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONIOENCODING", "PYTHONUTF8", "PYTHONCOERCECLOCALE", "PYTHONUNBUFFERED"):
        monkeypatch.delenv(name, raising=False)


def python(*arguments: str | bytes, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=PROJECT, env={**os.environ, **environment}, capture_output=True)


def script(name: str, *arguments: str | bytes, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    return python(f"flows/{name}.py", *arguments, **environment)


WRITE = "from flows.cli.output import any_character\nwith any_character():\n    import sys; "


@pytest.mark.parametrize(("name", "environment"), ENCODINGS, ids=["ascii", "cp1252", "LC_ALL=C"])
def test_what_the_encoding_lacks_is_an_escape_and_said_once(name: str, environment: dict[str, str]) -> None:
    done = python("-c", WRITE + "print('\\u0434\\u043e\\u043c'); print('\\u0434')", **environment)
    assert (done.returncode, done.stdout) == (0, b"\\u0434\\u043e\\u043c\n\\u0434\n")
    assert done.stderr.decode() == (
        f"warning: standard output is {name}: 4 characters were replaced; set PYTHONIOENCODING=utf-8\n"
    )


def test_what_the_encoding_has_is_as_it_is() -> None:
    done = python("-c", WRITE + "print('caf\\xe9 \\u0434')", PYTHONIOENCODING="cp1252")
    assert done.stdout == b"caf\xe9 \\u0434\n"
    assert b"1 character was replaced" in done.stderr
    done = python("-c", WRITE + "print('caf\\xe9 \\u0434')", PYTHONIOENCODING="utf-8")
    assert (done.stdout.decode(), done.stderr) == ("café д\n", b"")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_bytes_that_are_no_utf8_are_escapes_in_any_encoding_and_no_setting_is_named(encoding: str) -> None:
    code = WRITE + "print('zy\\udcef \\ud800'); print('zy\\udcef', file=sys.stderr)"
    done = python("-c", code, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"zy\\xef \\ud800\n", b"zy\\xef\n")


def test_standard_error_is_written_and_counted_too() -> None:
    done = script("params", "ключ", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (2, b"")
    first, second = done.stderr.decode().splitlines()
    assert first.startswith(r"error: \u043a\u043b\u044e\u0447: unknown parameter")
    assert second == "warning: standard error is ascii: 4 characters were replaced; set PYTHONIOENCODING=utf-8"


def test_streams_that_are_no_files_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with any_character():
        print("д")
    assert capsys.readouterr() == ("д\n", "")


def written_to_nobody(*arguments: str, **environment: str) -> int:
    """The exit code of a script whose standard output has no reader."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdout=writer,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    return done.returncode


def test_a_reader_that_goes_away_is_still_no_error() -> None:
    arguments = ["flows/params.py", "sampling.prime", "--set", "sampling.prime=дом"]
    assert written_to_nobody(*arguments, PYTHONIOENCODING="ascii") == 141


@pytest.mark.parametrize("command", ["sampling.prime", "--help"])
def test_a_reader_that_is_gone_is_one_exit_code(command: str) -> None:
    assert written_to_nobody("flows/params.py", command) == 141


COMMANDS = ["init", "pipeline", "sample", "score", "compare", "sync", "prune", "promote", "server", "params"]


def in_shell(command: str, redirected: str) -> "subprocess.CompletedProcess[str]":
    name, _, arguments = command.partition(" ")
    line = f"'{sys.executable}' flows/{name}.py {arguments} {redirected}"
    return subprocess.run(["sh", "-c", line], cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_begins_where_standard_output_is_closed(name: str) -> None:
    done = in_shell(f"{name} --help", ">&-")
    assert (done.returncode, done.stderr) == (2, "error: cannot write standard output: it is closed\n")


def test_where_both_streams_are_closed_the_exit_code_says_it() -> None:
    assert in_shell("params model.cell", ">&- 2>&-").returncode == 2


@pytest.mark.parametrize("redirected", ["2>&-", "<&- 2>&-"])
def test_a_file_that_is_opened_later_does_not_become_standard_error(redirected: str) -> None:
    line = (
        "import os, sys; sys.argv = ['params', 'model.cell']\n"
        "from flows.cli import entry, app\n"
        "app.run = lambda *_: os.fstat(2).st_rdev != os.stat(os.devnull).st_rdev\n"
        "entry.script('params')"
    )
    done = subprocess.run(["sh", "-c", f'"$@" {redirected}', "sh", sys.executable, "-c", line], cwd=PROJECT)
    assert done.returncode == 0


def test_standard_error_that_is_closed_is_no_error() -> None:
    done = in_shell("params model.cell", "2>&-")
    assert done.returncode == 0
    assert done.stdout.startswith("model.cell\n")


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that is always full")


@FULL
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["params", "params --help", "pipeline --dry-run"])
def test_a_full_disk_under_standard_output_is_named(
    command: str, unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    done = in_shell(command, ">/dev/full")
    assert (done.returncode, done.stderr) == (2, "error: cannot write standard output: No space left on device\n")


@FULL
def test_a_full_disk_under_standard_error_changes_no_exit_code() -> None:
    assert in_shell("params nothing", "2>/dev/full").returncode == 2


@FULL
def test_a_signal_is_the_exit_code_also_where_output_cannot_be_written() -> None:
    line = (
        "import os, signal, sys\n"
        "from flows.cli import app, entry\n"
        "from flows.cli.errors import guarded\n"
        "app.run = lambda *_: guarded(lambda: print('what is left') or os.kill(os.getpid(), signal.SIGTERM) or 0)\n"
        "entry.script('params')"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", line], cwd=PROJECT, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (143, b"")


def test_a_standard_output_that_is_not_open_for_writing_is_named() -> None:
    done = in_shell("params model.cell", "1</dev/null")
    assert (done.returncode, done.stderr) == (2, "error: cannot write standard output: Bad file descriptor\n")


# The commands that write what a model has learnt


@pytest.fixture(scope="module")
def russian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of Cyrillic letters alone."""
    path = tmp_path_factory.mktemp("a text") / "дом.txt"
    path.write_text("в начале было слово\n" * 400, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def checkpoint(russian: Path) -> Path:
    """A model of it."""
    overrides = ["model.hidden_size=8", "training.max_steps=2", f"data.directory={russian.parent}/data"]
    path = russian.with_name("russian.ckpt")
    charrnn.fit(russian, overrides=overrides, progress=False).save(path)
    return path


@pytest.mark.parametrize("options", [[], ["--stream"]], ids=["whole", "streamed"])
@pytest.mark.parametrize(("name", "environment"), ENCODINGS, ids=["ascii", "cp1252", "LC_ALL=C"])
def test_a_sample_is_written_whatever_the_encoding(
    checkpoint: Path, options: list[str], name: str, environment: dict[str, str]
) -> None:
    done = script("sample", str(checkpoint), "--length", "60", *options, **environment)
    assert done.returncode == 0
    assert len(done.stdout.decode(name).encode().decode("unicode_escape").rstrip("\n")) >= 59
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"warning: standard output is {name}: ")


@FULL
@pytest.mark.parametrize("command", ["sample {} --length 5", "sample {} --length 5 --stream", "score {} --text слово"])
def test_what_a_model_says_and_nobody_gets_is_an_error(checkpoint: Path, command: str) -> None:
    for redirected, why in (">&-", "it is closed"), (">/dev/full", "No space left on device"):
        done = in_shell(command.format(f"'{checkpoint}'"), redirected)
        assert (done.returncode, done.stderr) == (2, f"error: cannot write standard output: {why}\n")


@pytest.mark.parametrize(("name", "environment"), [*ENCODINGS, ("utf-8", {"PYTHONIOENCODING": "utf-8"})])
def test_json_lines_read_back_the_same_whatever_the_encoding(
    checkpoint: Path, name: str, environment: dict[str, str]
) -> None:
    done = script("sample", str(checkpoint), "--length", "60", "--format", "jsonl", **environment)
    assert (done.returncode, done.stderr) == (0, b"")
    text = json.loads(done.stdout.decode(name))["text"]
    assert set(text) <= set("в начале было слово\n")
    assert (text.split()[0] in done.stdout.decode(name)) is (name == "utf-8")


@pytest.mark.parametrize(("name", "environment"), ENCODINGS)
def test_json_lines_of_a_scored_text_read_back_the_same_whatever_the_encoding(
    checkpoint: Path, name: str, environment: dict[str, str]
) -> None:
    done = script("score", str(checkpoint), "--text", "в начале", "--format", "jsonl", **environment)
    assert (done.returncode, done.stderr) == (0, b"")
    rows = [json.loads(line) for line in done.stdout.decode(name).splitlines()]
    assert "".join(row["character"] for row in rows) == "в начале"


def test_a_prime_is_utf8_where_the_locale_is_not(checkpoint: Path) -> None:
    options = ["--length", "30", "--format", "jsonl", "--prime", "слово", "--until", "в"]
    expected = script("sample", str(checkpoint), *options, PYTHONUTF8="1")
    assert (expected.returncode, expected.stderr) == (0, b"")
    done = script("sample", str(checkpoint), *options, **NO_UTF8)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == json.loads(expected.stdout)


def screen_of(master: int) -> Iterator[bytes]:
    try:
        while piece := os.read(master, 4096):
            yield piece
    except OSError:  # the other end is closed
        return


@pytest.mark.parametrize(("name", "environment"), ENCODINGS[1:], ids=["cp1252", "LC_ALL=C"])
def test_the_pipeline_ends_well_in_a_terminal_without_unicode(
    workplace: Workplace, russian: Path, monkeypatch: pytest.MonkeyPatch, name: str, environment: dict[str, str]
) -> None:
    for variable, value in {**environment, "TERM": "xterm", "COLUMNS": "120"}.items():
        monkeypatch.setenv(variable, value)
    master, slave = pty.openpty()
    command = [sys.executable, "flows/pipeline.py", *workplace.options, "--set", f"data.sources=['{russian}']"]
    with subprocess.Popen(
        command, cwd=PROJECT, env=workplace.environment(), stdin=subprocess.DEVNULL, stdout=slave, stderr=slave
    ) as process:
        os.close(slave)
        screen = b"".join(screen_of(master))
    os.close(master)
    assert process.returncode == 0, screen.decode(name)
    assert screen.isascii()
    assert b"\\u0432 " in screen
    assert screen.count(b"characters were replaced; set PYTHONIOENCODING=utf-8") == 1
    assert b"-m mlflow ui" in screen
    assert len(workplace.runs()) == 1
