"""`charrnn sample` on a run that has ended: every way to name a model, every option."""

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.cli.app import run
from tests.workplace import Finished, call_sample

LENGTH = 40


@pytest.fixture
def checkpoint(finished: Finished) -> str:
    return str(finished.checkpoints / "best.ckpt")


@pytest.fixture
def client(finished: Finished) -> MlflowClient:
    return finished.workplace.client


def text(*arguments: str) -> str:
    """Return what the command line writes, without its line end."""
    answer = call_sample(*arguments)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.endswith("\n")
    return answer.out[:-1]


def written(checkpoint: str, *arguments: str) -> str:
    return text("--checkpoint", checkpoint, "--length", str(LENGTH), *arguments)


def of_run(finished: Finished, run_id: str) -> str:
    return written(str(finished.checkpoints.parent / run_id / "best.ckpt"))


def found(finished: Finished, *arguments: str) -> str:
    return text(*arguments, "--length", str(LENGTH), *finished.workplace.places)


def test_a_run_goes_by_its_id(finished: Finished) -> None:
    assert found(finished, "--run", finished.run_id) == of_run(finished, finished.run_id)


def test_last_is_the_newest_run(finished: Finished) -> None:
    assert found(finished, "--run", "last") == of_run(finished, finished.workplace.runs("charrnn")[0])


def test_a_registered_model_is_its_newest_version_without_more(finished: Finished, client: MlflowClient) -> None:
    versions = client.search_model_versions("name = 'charrnn'")
    newest = max(versions, key=lambda version: int(version.version))
    assert found(finished, "--model", "charrnn") == of_run(finished, str(newest.run_id))


def test_a_registered_model_goes_by_version_and_alias(finished: Finished, client: MlflowClient) -> None:
    client.set_registered_model_alias("charrnn", "chosen", finished.summary.model_version)
    expected = of_run(finished, finished.run_id)
    assert found(finished, "--model", f"charrnn/{finished.summary.model_version}") == expected
    assert found(finished, "--model", "charrnn@chosen") == expected


def test_one_name_says_which_model_whatever_kind_it_is(finished: Finished, checkpoint: str) -> None:
    expected = of_run(finished, finished.run_id)
    for name in (finished.run_id, checkpoint, f"charrnn/{finished.summary.model_version}"):
        assert found(finished, name) == expected
    assert found(finished, "last") == of_run(finished, finished.workplace.runs("charrnn")[0])
    assert found(finished, "charrnn") == found(finished, "--model", "charrnn")


def test_a_name_that_is_nothing_says_what_it_was_looked_for_as(finished: Finished) -> None:
    answer = call_sample("nobody", *finished.workplace.places)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: model nobody: no model of that name is registered in sqlite:///")
    assert answer.err.endswith("; nor is it a checkpoint file or a run id\n")


def test_a_run_without_its_folder_is_sampled_from_its_artifacts(finished: Finished, tmp_path: Path) -> None:
    elsewhere = ["--set", f"data.directory={tmp_path}/empty"]
    assert found(finished, "--run", finished.run_id, *elsewhere) == of_run(finished, finished.run_id)


def test_the_text_is_the_prime_and_as_many_characters_as_asked_for(checkpoint: str) -> None:
    assert len(written(checkpoint)) == LENGTH
    primed = written(checkpoint, "--prime", "QUEEN:")
    assert primed.startswith("QUEEN:")
    assert len(primed) == LENGTH + len("QUEEN:")
    assert len(text("--checkpoint", checkpoint)) == 1000


def test_the_prime_may_come_from_a_file_or_standard_input(
    checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a prime").write_text("QUEEN:\nThe ")
    expected = written(checkpoint, "--prime", "QUEEN:\nThe ")
    assert written(checkpoint, "--prime-file", str(tmp_path / "a prime")) == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"QUEEN:\nThe ")))
    assert written(checkpoint, "--prime-file", "-") == expected


def test_the_same_seed_gives_the_same_text_and_another_one_another(checkpoint: str) -> None:
    assert written(checkpoint, "--seed", "5") == written(checkpoint, "--seed", "5")
    assert written(checkpoint, "--seed", "5") != written(checkpoint, "--seed", "6")
    assert written(checkpoint) == written(checkpoint, "--seed", "1", "--temperature", "0.8")


@pytest.mark.parametrize("likeliest", [["--temperature", "0"], ["--top-k", "1"], ["--top-p", "1e-9"]])
def test_only_the_likeliest_character_needs_no_seed(checkpoint: str, likeliest: list[str]) -> None:
    expected = written(checkpoint, "--temperature", "0")
    assert written(checkpoint, *likeliest, "--seed", "1") == expected
    assert written(checkpoint, *likeliest, "--seed", "2") == expected
    assert written(checkpoint) != expected


@pytest.mark.parametrize("wilder", [["--temperature", "3"], ["--top-k", "2"], ["--top-p", "0.3"]])
def test_what_is_drawn_from_changes_the_text(checkpoint: str, wilder: list[str]) -> None:
    assert written(checkpoint, *wilder) != written(checkpoint)


def test_several_samples_have_seeds_of_their_own_that_say_how_to_get_one_again(checkpoint: str) -> None:
    three = written(checkpoint, "--num-samples", "3", "--seed", "7")
    expected = [f"--- seed {seed} ---\n{written(checkpoint, '--seed', str(seed))}" for seed in (7, 8, 9)]
    assert three == "\n".join(expected)


@pytest.mark.parametrize("size", [1, 3, LENGTH])
def test_the_text_stops_as_soon_as_its_end_was_written(checkpoint: str, size: int) -> None:
    whole = written(checkpoint, "--prime", "QUEEN:")
    end = whole[-size:]
    stopped = whole[: whole.index(end, len("QUEEN:")) + size]
    assert written(checkpoint, "--prime", "QUEEN:", "--until", end) == stopped


def test_an_end_in_the_prime_does_not_count(checkpoint: str) -> None:
    assert len(written(checkpoint, "--prime", "QUEEN:", "--until", "QUEEN:QUEEN:Q")) == LENGTH + len("QUEEN:")
    assert written(checkpoint, "--prime", "a", "--until", "a") != "a"


class Recorder(io.StringIO):
    """Standard output that counts how often something was handed on."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal
        self.flushes = 0

    def isatty(self) -> bool:
        return self.terminal

    def flush(self) -> None:
        self.flushes += 1


@pytest.mark.parametrize(
    ("options", "terminal", "streams"), [(["--stream"], False, True), ([], True, True), ([], False, False)]
)
def test_characters_are_handed_on_as_they_come_when_asked_for_and_in_a_terminal(
    checkpoint: str, options: list[str], terminal: bool, streams: bool
) -> None:
    recorder = Recorder(terminal)
    with contextlib.redirect_stdout(recorder):
        run(["sample", "--checkpoint", checkpoint, "--length", str(LENGTH), *options])
    assert recorder.getvalue() == written(checkpoint) + "\n"
    assert (recorder.flushes >= LENGTH) is streams


def test_several_texts_are_written_at_once_in_a_terminal_and_one_by_one_when_streaming_is_asked_for(
    checkpoint: str,
) -> None:
    several = ["--num-samples", "2"]
    for options, streams in ((several, False), ([*several, "--stream"], True)):
        recorder = Recorder(terminal=True)
        with contextlib.redirect_stdout(recorder):
            run(["sample", "--checkpoint", checkpoint, "--length", str(LENGTH), *options])
        assert recorder.getvalue() == written(checkpoint, *several) + "\n"
        assert (recorder.flushes >= LENGTH) is streams


def test_lines_of_a_stream_do_not_repeat_the_line_end_that_ended_them(checkpoint: str) -> None:
    lines = written(checkpoint, "--num-samples", "5", "--until", "\n", "--format", "lines").split("\n")
    ends = [["--until", "\n", "--seed", str(seed)] for seed in range(1, 6)]
    assert lines == [written(checkpoint, *end).removesuffix("\n") for end in ends]
    assert written(checkpoint, "--format", "lines") == written(checkpoint).replace("\n", "\\n")


def test_three_hundred_lines_of_a_stream_are_a_plain_list(checkpoint: str) -> None:
    lines = written(checkpoint, "--num-samples", "300", "--until", "\n", "--format", "lines").split("\n")
    assert len(lines) == 300
    assert not [line for line in lines if line.startswith("---")]


def test_json_lines_have_seed_text_and_log_probability_and_do_not_know_what_is_new_in_a_stream(
    checkpoint: str,
) -> None:
    rows = written(checkpoint, "--num-samples", "2", "--seed", "7", "--prime", "QUEEN:", "--format", "jsonl")
    objects = [json.loads(line) for line in rows.split("\n")]
    for seed, values in zip((7, 8), objects, strict=True):
        assert (values["seed"], values["new"]) == (seed, None)
        assert values["text"] == written(checkpoint, "--seed", str(seed), "--prime", "QUEEN:")
        assert values["logprob"] < 0


@pytest.mark.parametrize("form", ["lines", "jsonl"])
def test_what_is_not_text_is_not_streamed(checkpoint: str, form: str) -> None:
    answer = call_sample("--checkpoint", checkpoint, "--stream", "--format", form)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"error: --stream: not allowed with --format {form}, only with --format text\n"
    recorder = Recorder(terminal=True)
    with contextlib.redirect_stdout(recorder):
        run(["sample", "--checkpoint", checkpoint, "--length", str(LENGTH), "--format", form])
    assert recorder.getvalue() == written(checkpoint, "--format", form) + "\n"


def test_an_unknown_format_is_refused_with_those_there_are(checkpoint: str) -> None:
    answer = call_sample("--checkpoint", checkpoint, "--format", "csv")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1
    assert all(word in answer.err for word in ("--format", "csv", "text", "lines", "jsonl"))


def test_characters_the_model_has_never_seen_are_dropped_with_a_warning(checkpoint: str) -> None:
    answer = call_sample("--checkpoint", checkpoint, "--length", str(LENGTH), "--prime", "QÜE日EN:")
    assert answer.code == 0
    assert answer.out == written(checkpoint, "--prime", "QEEN:") + "\n"
    (line,) = answer.err.splitlines()
    assert line.startswith("warning: prime: the model has never seen")
    assert "LATIN SMALL LETTER" not in line
    assert "'Ü' (LATIN CAPITAL LETTER U WITH DIAERESIS), '日' (CJK UNIFIED IDEOGRAPH-65E5)" in line


def test_a_prime_of_unknown_characters_only_starts_as_none(checkpoint: str) -> None:
    answer = call_sample("--checkpoint", checkpoint, "--length", str(LENGTH), "--prime", "日本")
    assert (answer.code, answer.out) == (0, written(checkpoint) + "\n")


def test_what_the_model_cannot_write_is_refused_when_asked_to(checkpoint: str) -> None:
    for option, found in (("--prime", "日"), ("--until", "日"), ("--until", "\\n")):
        answer = call_sample("--checkpoint", checkpoint, "--strict", option, found)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith("error: ")
        assert answer.err.count("\n") == 1
        assert option.removeprefix("--") in answer.err


def test_a_backslash_and_n_are_no_line_end_which_is_said(checkpoint: str) -> None:
    answer = call_sample("--checkpoint", checkpoint, "--until", "\\n")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(
        "error: --until: has \\n, a backslash and a letter; what it stands for is $'\\n' in bash"
    )


def test_a_line_end_may_be_typed_in_quotes(checkpoint: str) -> None:
    assert written(checkpoint, "--until", '"\\n"') == written(checkpoint, "--until", "\n")


def test_a_prime_file_is_read_as_a_text_is_without_its_mark_and_with_its_line_ends(
    checkpoint: str, tmp_path: Path
) -> None:
    (tmp_path / "prime").write_bytes(b"\xef\xbb\xbfQUEEN:\r\nThe ")
    assert written(checkpoint, "--prime-file", str(tmp_path / "prime")) == written(
        checkpoint, "--prime", "QUEEN:\nThe "
    )


@pytest.mark.parametrize("option", [["--checkpoint"], []])
def test_the_script_writes_text_only_from_any_folder_and_without_mlflow(
    finished: Finished, checkpoint: str, monkeypatch: pytest.MonkeyPatch, option: list[str]
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    path = str(Path(checkpoint).relative_to(finished.workplace.folder))
    process = finished.workplace.start(*option, path, "--length", str(LENGTH), script="sample")
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (0, written(checkpoint) + "\n")
    imported = {line.rpartition("|")[2].strip() for line in err.splitlines() if line.startswith("import time:")}
    assert "torch" in imported
    assert not imported & {"mlflow", "prefect"}
    assert len(imported) > 100
    assert not [line for line in err.splitlines() if not line.startswith("import time:")]
