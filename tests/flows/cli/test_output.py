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


def test_a_reader_that_goes_away_is_still_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "flows/params.py", "sampling.prime", "--set", "sampling.prime=дом"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=PROJECT, env=environment, stdout=writer, stderr=subprocess.DEVNULL)
    os.close(writer)
    assert done.returncode == 141


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_stream_that_is_closed_is_no_error(closed: str) -> None:
    done = subprocess.run(["sh", "-c", f"'{sys.executable}' flows/params.py sampling.prime {closed}"], cwd=PROJECT)
    assert done.returncode == 0


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
