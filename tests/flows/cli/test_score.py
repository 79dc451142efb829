"""`charrnn score` on a run that has ended: where model and text come from, what is shown."""

import contextlib
import io
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import charrnn
from charrnn.training.checkpoint import load_checkpoint, save_checkpoint
from tests.documents_model import save_documents_model
from tests.workplace import Called, Finished, captured


@pytest.fixture
def checkpoint(finished: Finished) -> str:
    return str(finished.checkpoints / "best.ckpt")


@pytest.fixture
def known(checkpoint: str) -> str:
    """A text of characters that the model knows."""
    return charrnn.load(checkpoint).sample(length=300, seed=3)


ADAPTED = "--adapt: dynamic evaluation alone, without an n-gram model; learns after every 20 characters\n"


def shown(*arguments: str) -> str:
    answer = captured("score", *arguments)
    assert (answer.code, answer.err) == (0, ADAPTED if "--adapt" in arguments else "")
    return answer.out


def test_the_summary_is_the_mean_that_the_library_gives(checkpoint: str, known: str, tmp_path: Path) -> None:
    for text in (known, known + "☃☃☃" + known):
        (tmp_path / "text").write_text(text, newline="", encoding="utf-8")
        bits = charrnn.load(checkpoint).score(text) / math.log(2)
        assert shown(checkpoint, str(tmp_path / "text")).splitlines()[0] == f"{bits:.4f} bits per character"
        assert shown(checkpoint, f"--text={text}") == shown(checkpoint, str(tmp_path / "text"))


def test_the_text_comes_from_standard_input(checkpoint: str, known: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(known.encode())))
    assert shown(checkpoint, "-") == shown(checkpoint, f"--text={known}")


def test_a_run_is_found_by_its_id(finished: Finished, checkpoint: str, known: str) -> None:
    found = shown(finished.run_id, f"--text={known}", *finished.workplace.places)
    assert found == shown(checkpoint, f"--text={known}")


def test_every_character_or_line_has_a_row(checkpoint: str, known: str) -> None:
    rows = [json.loads(row) for row in shown(checkpoint, f"--text={known}", "--format=jsonl").splitlines()]
    assert "".join(row["character"] for row in rows) == known
    lines = shown(checkpoint, f"--text={known}", "--by=line").splitlines()[1:]
    assert len(lines) == len(known.removesuffix("\n").split("\n"))
    total = sum(row["bits"] for row in rows if row["bits"] is not None)
    assert sum(float(line.split("\t")[2]) for line in lines) == pytest.approx(total, abs=0.1)


def test_what_adapts_differs_after_the_first_segment(checkpoint: str, known: str) -> None:
    static, adapted = (
        shown(checkpoint, f"--text={known}", "--format=tsv", *options).splitlines() for options in ([], ["--adapt"])
    )
    assert len(static) == len(adapted)
    bits = [[float(row.split("\t")[2] or 0) for row in rows[1:]] for rows in (static, adapted)]
    assert bits[0][:21] == pytest.approx(bits[1][:21], abs=1e-3)
    assert bits[0][100:] != pytest.approx(bits[1][100:], abs=1e-3)


def test_a_text_shorter_than_a_segment_has_the_same_surprisal_where_the_model_adapts(checkpoint: str) -> None:
    text = ["--text=QUEEN", "--format=tsv"]
    assert shown(checkpoint, *text, "--adapt") == shown(checkpoint, *text)


def with_weights(checkpoint: str, path: Path, weights: Mapping[str, float]) -> str:
    """Write the checkpoint with every weight whose name contains a key set to its value; return where."""
    loaded = load_checkpoint(Path(checkpoint))
    for name, tensor in (loaded.state["average"] or loaded.state["model"]).items():
        for part, value in weights.items():
            if part in name:
                tensor.fill_(value)
    save_checkpoint(path, loaded)
    return str(path)


def test_where_the_copy_that_adapts_diverges_the_static_result_stands_with_one_warning(
    checkpoint: str, known: str, tmp_path: Path
) -> None:
    # Gradients overflow, losses do not: the gates are those of the bias, whatever the input.
    weights = {"embedding": 0, "weight_hh": 0, "weight_ih": 1e20, "rnns.0.bias": 0.1}
    fragile = with_weights(checkpoint, tmp_path / "fragile.ckpt", weights)
    loaded = load_checkpoint(Path(fragile))
    (loaded.state["average"] or loaded.state["model"])["decoder.weight"].mul_(1e20)
    save_checkpoint(Path(fragile), loaded)
    answer = captured("score", fragile, f"--text={known}", "--adapt")
    assert answer.code == 0
    assert answer.out == shown(fragile, f"--text={known}")
    assert answer.err == (
        "warning: --adapt: dynamic evaluation: the loss is not finite; the result is that without it\n"
    )


@pytest.mark.parametrize("options", [[], ["--adapt"]])
def test_a_model_that_has_diverged_gives_one_line_and_no_result(
    checkpoint: str, tmp_path: Path, options: list[str]
) -> None:
    diverged = with_weights(checkpoint, tmp_path / "nan.ckpt", {"": math.nan})
    answer = captured("score", diverged, "--text=QUEEN", *options)
    message = f"error: {diverged}: the model's losses are not finite: its training diverged\n"
    assert (answer.code, answer.out, answer.err) == (1, "", message)


def refused(*arguments: str) -> str:
    answer: Called = captured("score", *arguments)
    assert (answer.code, answer.out) == (2, "")
    return answer.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "FILE: exactly one of FILE and --text must be given, got none"),
        (["x", "--text=y"], "FILE: exactly one of FILE and --text must be given, got both"),
        (["--text="], "--text: is empty; there is nothing to score"),
        (
            ["--text=a", "--format=summary", "--by=line"],
            "--by: not allowed with --format summary, which is of the whole text, got line",
        ),
        (["--text=a", "--fast", "--adapt"], "--fast: not allowed with --adapt, which reads the text as one"),
    ],
)
def test_a_mistake_is_one_line(checkpoint: str, options: list[str], message: str) -> None:
    assert refused(checkpoint, *options) == f"error: {message}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; there is nothing to score"),
        ("Q", "has 1 character, must have at least 2: the first of a stream is not predicted"),
    ],
)
def test_a_file_with_nothing_to_score_is_named(checkpoint: str, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "short.txt").write_text(content)
    with contextlib.chdir(tmp_path):
        assert refused(checkpoint, "short.txt") == f"error: short.txt: {message}\n"


def test_a_file_without_a_name_is_not_standard_input(checkpoint: str) -> None:
    assert refused(checkpoint, "").startswith("error: ")


def test_standard_input_that_is_closed_is_told(checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert refused(checkpoint, "-") == "error: standard input: is closed; cannot read the text\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty; there is nothing to score"), (b"abc\xff", "is not UTF-8 text (byte offset 3)")],
)
def test_what_is_wrong_with_standard_input_is_told_by_that_name(
    checkpoint: str, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert refused(checkpoint, "-") == f"error: standard input: {message}\n"


def test_bytes_that_are_no_utf8_are_refused_with_their_place(checkpoint: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"abc\xff")
    with contextlib.chdir(tmp_path):
        assert refused(checkpoint, "text") == "error: text: is not UTF-8 text (byte offset 3)\n"


@pytest.mark.parametrize(
    ("name", "warned"), [("games.csv", True), ("games.jsonl.gz", True), ("games.txt", False), ("games", False)]
)
def test_a_table_is_not_taken_for_what_the_template_makes_of_it(tmp_path: Path, name: str, warned: bool) -> None:
    model = save_documents_model(tmp_path / "m.ckpt", "ab: ", "data.documents=records", "data.template={a}: {b}")
    (tmp_path / name).write_text("ab: ba")
    answer = captured("score", str(model), str(tmp_path / name))
    expected = f"warning: {tmp_path / name} is scored as it stands, not as data.template '{{a}}: {{b}}' makes it\n"
    assert (answer.code, answer.err) == (0, expected if warned else "")
