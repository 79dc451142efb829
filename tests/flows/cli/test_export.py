import json
import os
import re
import sys
from pathlib import Path

import pytest

from flows.cli.app import run
from tests.documents_model import save_documents_model
from tests.workplace import Finished, captured


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_documents_model(tmp_path / "best.ckpt", "abc")


def test_all_three_forms_are_written_and_named(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("page.html", "model.onnx", "model")]
    flags = zip(("--html", "--onnx", "--safetensors"), map(str, files), strict=True)
    assert run([str(model), *(part for flag in flags for part in flag)], "export") == 0
    written = [*files[:2], *(files[2] / name for name in ("model.safetensors", "vocabulary.json", "config.json"))]
    assert [line.rpartition(": ")[0] for line in capsys.readouterr().out.splitlines()] == list(map(str, written))
    assert files[0].read_text().startswith("<!doctype html>")
    assert files[1].stat().st_size > 0
    assert json.loads((files[2] / "config.json").read_text())["documents"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "at least one of --html, --onnx and --safetensors must be given"),
        (["--onnx", "m.onnx", "--weights", "int8"], "--weights: is of the page of --html, which is not asked for"),
        (["--html", "p.html", "--weights", "int4"], "--weights"),
        (["--html", "file/p.html"], "file/p.html: cannot write"),
        (["--html", "p.html", "--onnx", "file/m.onnx"], "file/m.onnx: cannot write"),
        (["--html", ""], ".: cannot write: Is a directory"),
        (["--html", "/"], "/: cannot write: Is a directory"),
        (["--html", "p.html", "--onnx", "."], ".: cannot write: Is a directory"),
        (["--html", "p.html", "--onnx", "p.html"], "--onnx: p.html is the file of --html"),
        (["--html", "p.html", "--safetensors", "file"], "file/model.safetensors: cannot write"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert run([str(model), *arguments], "export") == 2
    answer = capsys.readouterr().err
    assert answer.count("\n") == 1
    assert message in answer
    assert not list(tmp_path.glob("*.html")) + list(tmp_path.glob("*.onnx"))


def test_a_page_is_measured_on_the_split_that_a_report_reads(finished: Finished, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    answer = captured("export", finished.run_id, "--html", str(path), "--weights", "int8", *finished.workplace.places)
    assert (answer.code, answer.err) == (0, "")
    assert re.search(r"measured on [\d,]+ characters \(validation split\)", path.read_text("utf-8"))


def test_a_model_that_does_not_exist_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing.ckpt"
    assert run([str(missing), "--html", str(tmp_path / "p.html")], "export") == 2
    assert str(missing) in capsys.readouterr().err


def test_a_form_that_cannot_be_made_leaves_the_others_unwritten(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    files = [str(tmp_path / name) for name in ("page.html", "model.onnx", "model")]
    assert run([str(model), "--html", files[0], "--onnx", files[1], "--safetensors", files[2]], "export") == 2
    answer = capsys.readouterr()
    assert answer.err == "error: --onnx: ONNX needs the package onnx: pip install onnx\n"
    assert answer.out == ""
    assert not any(map(os.path.exists, files))


def test_the_title_does_not_say_in_which_folder_the_model_was(model: Path, tmp_path: Path) -> None:
    assert run([str(model), "--html", str(tmp_path / "page.html")], "export") == 0
    page = (tmp_path / "page.html").read_text()
    assert "<title>best.ckpt</title>" in page
    assert str(tmp_path) not in page
