"""`charrnn` and the scripts of `flows/`: help, mistakes in arguments, completion, and what is imported for them."""

import os
import pkgutil
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.core import TyperCommand
from typer.main import get_group

from charrnn.config.loading import PROJECT
from flows.cli import command, entry
from flows.cli.app import app
from flows.cli.command import Example
from tests.workplace import captured

COMMANDS = [
    *("init", "train", "sweep", "sample", "score", "report", "export", "compare", "sync", "prune", "promote"),
    *("serve", "server", "params"),
]
SCRIPTS = {name: {"train": "pipeline"}.get(name, name) for name in COMMANDS}
SLOW = {"torch", "prefect", "mlflow", "pandas"}
# What a command needs beside options.
NEEDED = {
    "init": ["novel.txt"],
    "sample": ["last"],
    "score": ["last", "novel.txt"],
    "report": ["last"],
    "export": ["last"],
    "promote": ["charrnn", "3"],
    "serve": ["last"],
}
CHARRNN = "from flows.cli.entry import charrnn; charrnn()"


def parser(name: str) -> TyperCommand:
    found = get_group(app).commands[name]
    assert isinstance(found, TyperCommand)
    return found


def options(name: str) -> list[str]:
    return [flag for param in parser(name).params for flag in param.opts if flag.startswith("--")] + ["--help"]


def separate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with `arguments` in a process of its own that says on standard error what it imports."""
    return subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
    )


def imported(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Return the modules that it imported."""
    found = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "typer" in found
    return found


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return its lines on standard error that are not about imports."""
    return [line for line in done.stderr.splitlines() if not line.startswith("import time:")]


# Help


def test_help_lists_every_command_with_what_it_does() -> None:
    answer = captured("--help")
    assert (answer.code, answer.err) == (0, "")
    listed = re.findall(r"^  ([a-z]+)  +[A-Z]", answer.out, re.MULTILINE)
    assert listed == COMMANDS
    assert "..." not in answer.out.replace("[ARGS]...", "")
    assert captured() == answer


@pytest.mark.parametrize("name", COMMANDS)
def test_help_describes_every_option(name: str) -> None:
    answer = captured(name, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"Usage: charrnn {name} ")
    for param in parser(name).params:
        assert getattr(param, "help", ""), param.name
        assert (param.opts[0] if param.param_type_name == "option" else str(param.metavar)) in answer.out
    assert captured(name, "-h") == answer


@pytest.mark.parametrize("name", ["init", "train", "sweep", "sample", "sync", "compare"])
def test_help_gives_examples_of_options_that_there_are(name: str) -> None:
    text = captured(name, "--help").out.partition("examples:")[2]
    examples = [line for line in text.splitlines() if f"charrnn {name}" in line]
    assert len(examples) >= 3
    for line in examples:
        assert set(re.findall(r"--[a-z-]+", line)) <= set(options(name))
    for path in re.findall(r"params/\w+\.yaml", text):
        assert (PROJECT / path).exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_terminal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert max(map(len, captured(name, "--help").out.splitlines())) <= 120


def rendered(*examples: Example) -> list[str]:
    return command._render("sync", examples).splitlines()


def test_examples_stand_in_two_columns_and_long_ones_have_their_explanation_below() -> None:
    long = "x" * 70
    assert rendered(("", "all"), ("RUN_ID", "one"), (long, "much"), ("cat ids | {}", "")) == [
        "\b",
        "examples:",
        "  charrnn sync         all",
        "  charrnn sync RUN_ID  one",
        f"  charrnn sync {long}",
        "                       much",
        "  cat ids | charrnn sync",
    ]
    assert rendered() == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_answered_by_the_script_from_any_folder_before_anything_slow(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = separate(str(PROJECT / "flows" / f"{SCRIPTS[name]}.py"), "--help", PYTHONPATH="")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: python flows/{SCRIPTS[name]}.py ")
    assert not re.search(rf"charrnn {name}\b", done.stdout)
    assert not imported(done) & SLOW


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nonsense"], "no such option: --nonsense"),
        (["smaple", "last"], "no such command 'smaple'. Did you mean 'sample'?"),
        (
            ["train", "a text.txt"],
            "got unexpected extra argument(s) (a text.txt); if it was a pattern or a value with blanks, put it in "
            "quotes",
        ),
        (
            ["init", "a.txt", "b.txt"],
            "got unexpected extra argument(s) (b.txt); if it was a pattern or a value with blanks, put it in quotes",
        ),
        (["train", "--set"], "option '--set' requires an argument"),
        (["train", "--quiet=yes"], "option '--quiet' does not take a value"),
        (["train", "--set", "training.sed=1"], "--set: training.sed: unknown parameter; did you mean training.seed?"),
        (
            ["train", "--resume", "last", "--init-from", "last"],
            "--resume: not allowed with --init-from: that starts a new run",
        ),
        (["sample"], "MODEL: exactly one of MODEL, --run, --checkpoint and --model must be given, got none"),
        (["sample", "last", "--length", "many"], '--length: must be a whole number, got "many"'),
        (["sample", "last", "--format", "csv"], "--format: 'csv' is not one of 'text', 'lines', 'jsonl'"),
        (["sample", "last", "--length", "0"], "--length: must be >= 1, got 0"),
        (["sample", "last", "--prime", "a", "--prime-file", "b"], "--prime-file: not allowed with --prime"),
        (["compare", "--last", "1.5"], '--last: must be a whole number, got "1.5"'),
        (["prune", "--older-than", "-5"], "--older-than: must be a number of days >= 0, got -5"),
        (["promote"], "NAME: must be given, as NAME VERSION or NAME/VERSION, or else --approve RUN_ID"),
        (["params", "training.sed"], "training.sed: unknown parameter; did you mean training.seed?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2_before_anything_slow(arguments: list[str], message: str) -> None:
    done = separate("-c", CHARRNN, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = said(done)
    assert line == f"error: {message}"
    assert not imported(done) & SLOW


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_not_guessed_from_their_beginning(name: str) -> None:
    for flag in options(name):
        shorter = flag[:-1]
        if shorter not in options(name):
            answer = captured(name, *NEEDED.get(name, []), shorter)
            assert (answer.code, answer.out) == (2, "")
            assert answer.err.startswith(f"error: no such option: {shorter}")
            assert answer.err.count("\n") == 1


def values(name: str, *arguments: str) -> dict[str, object]:
    """Return what the command would be called with."""
    return parser(name).make_context(name, [*NEEDED.get(name, []), *arguments]).params


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("init", "server")])
def test_params_and_set_may_be_given_several_times_and_in_any_place(name: str) -> None:
    found = values(name, "--params", "a", "--set", "b=1", "--params", "c", "--set", "d=2")
    assert (found["overlays"], found["overrides"]) == (["a", "c"], ["b=1", "d=2"])
    arguments = ["--set", "b=1", *NEEDED.get(name, []), "--params", "a"]
    assert parser(name).make_context(name, arguments).params == values(name, "--params", "a", "--set", "b=1")


@pytest.mark.parametrize("value", ["--quiet", "--set=a.b=1", "--nonsense", "-h"])
def test_no_option_is_taken_for_the_value_of_another(value: str) -> None:
    answer = captured("train", "--name", value)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"error: --name: needs a value, got the option {value} (a value: --name={value})\n"
    assert values("train", f"--name={value}")["name"] == value


@pytest.mark.parametrize("value", ["-5", "-.5", "-1e3", "-", "- a list", "--- Act I ---"])
def test_values_may_be_negative_numbers_or_texts_that_begin_with_a_dash(value: str) -> None:
    assert values("sample", "--prime", value)["prime"] == value


def test_after_two_dashes_nothing_is_an_option() -> None:
    assert values("sync", "--", "--set", "--params")["run_ids"] == ["--set", "--params"]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("", "none"),
        ("--run last --model charrnn", "--run and --model"),
        ("--model x --checkpoint y", "--checkpoint and --model"),
        ("x --run y", "MODEL and --run"),
    ],
)
def test_a_sample_needs_exactly_one_model(arguments: str, found: str) -> None:
    answer = captured("sample", *arguments.split())
    assert (answer.code, answer.out) == (2, "")
    assert (
        answer.err
        == f"error: MODEL: exactly one of MODEL, --run, --checkpoint and --model must be given, got {found}\n"
    )


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


def test_the_installed_command_is_this_one() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert pkgutil.resolve_name(project["scripts"]["charrnn"]) is entry.charrnn


# Completion


def completed(words: str) -> list[str]:
    """Return what bash is told for the last of `words`."""
    position = str(len(words.split(" ")) - 1)
    done = separate("-c", CHARRNN, _CHARRNN_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=position)
    assert (done.returncode, said(done)) == (0, [])
    assert not imported(done) & SLOW
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("charrnn tr", ["train"]),
        ("charrnn s", ["sweep", "sample", "score", "sync", "serve", "server"]),
        ("charrnn sample --te", ["--temperature"]),
        ("charrnn sample last --to", ["--top-k", "--top-p"]),
        ("charrnn train --dry-run --qu", ["--quiet"]),
        ("charrnn server --no", ["--no-worker"]),
    ],
)
def test_a_shell_completes_commands_and_options(words: str, completions: list[str]) -> None:
    assert completed(words) == completions


def test_completion_is_shown_for_the_shell_it_is_called_from() -> None:
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -c "{CHARRNN}" --show-completion; exit'],
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    assert "_CHARRNN_COMPLETE=complete_bash" in done.stdout, done.stderr
