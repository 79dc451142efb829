"""`charrnn score` on a run that has ended: where model and text come from, what is shown."""

import contextlib
import io
import json
import math
import sys
from pathlib import Path

import pytest

import charrnn
from tests.workplace import Called, Finished, captured


@pytest.fixture
def checkpoint(finished: Finished) -> str:
    return str(finished.checkpoints / "best.ckpt")


@pytest.fixture
def known(checkpoint: str) -> str:
    """A text of characters that the model knows."""
    return charrnn.load(checkpoint).sample(length=300, seed=3)


def shown(*arguments: str) -> str:
    answer = captured("score", *arguments)
    assert (answer.code, answer.err) == (0, "")
    return answer.out


def test_the_summary_is_the_mean_that_the_library_gives(checkpoint: str, known: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text(known, newline="")
    bits = charrnn.load(checkpoint).score(known) / math.log(2)
    assert shown(checkpoint, str(tmp_path / "text")).splitlines()[0] == f"{bits:.4f} bits per character"
    assert shown(checkpoint, f"--text={known}") == shown(checkpoint, str(tmp_path / "text"))


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


def refused(*arguments: str) -> str:
    answer: Called = captured("score", *arguments)
    assert (answer.code, answer.out) == (2, "")
    return answer.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "FILE: exactly one of FILE and --text must be given, got none"),
        (["x", "--text=y"], "FILE: exactly one of FILE and --text must be given, got both"),
        (["--text="], "text: is empty; there is nothing to score"),
        (
            ["--text=a", "--format=summary", "--by=line"],
            "--by: not allowed with --format summary, which is of the whole text, got line",
        ),
        (["--text=a", "--fast", "--adapt"], "--fast: not allowed with --adapt, which reads the text as one"),
    ],
)
def test_a_mistake_is_one_line(checkpoint: str, options: list[str], message: str) -> None:
    assert refused(checkpoint, *options) == f"error: {message}\n"


def test_bytes_that_are_no_utf8_are_refused_with_their_place(checkpoint: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"abc\xff")
    with contextlib.chdir(tmp_path):
        assert refused(checkpoint, "text") == "error: text: is not UTF-8 text (byte offset 3)\n"
