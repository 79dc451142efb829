import gzip
import os
from pathlib import Path

import pytest

from charrnn.data.limits import Limits
from charrnn.data.sources.local import LocalSource
from charrnn.data.sources.source import Fetched, UnreachableError, split_checksum
from charrnn.errors import CorpusError, SourceError
from tests.source_fixtures import one_line, sha256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of texts c, a and b, and one below it with another."""
    for name in "cab":
        (tmp_path / f"{name}.txt").write_text(name)
    (tmp_path / "below.txt").mkdir()
    (tmp_path / "below.txt" / "d.txt").write_text("d")
    return tmp_path


def found(pattern: Path | str) -> list[Path]:
    return local(pattern).files()


def local(pattern: Path | str) -> LocalSource:
    return LocalSource(str(pattern), *split_checksum(str(pattern), ""))


def test_a_path_is_its_file(folder: Path) -> None:
    assert found(folder / "a.txt") == [folder / "a.txt"]


def test_a_glob_is_its_files_sorted_by_name_and_no_folders(folder: Path) -> None:
    assert found(folder / "*.txt") == [folder / "a.txt", folder / "b.txt", folder / "c.txt"]
    assert found(folder / "[bc].t?t") == [folder / "b.txt", folder / "c.txt"]


def test_two_asterisks_reach_into_folders(folder: Path) -> None:
    assert folder / "below.txt" / "d.txt" in found(folder / "**" / "*.txt")
    assert len(found(folder / "**" / "*.txt")) == 4


def test_a_file_with_brackets_in_its_name_is_no_glob(folder: Path) -> None:
    (folder / "[a].txt").write_text("brackets")
    assert found(folder / "[a].txt") == [folder / "[a].txt"]


def test_a_link_is_the_file_it_points_to(folder: Path) -> None:
    (folder / "link").symlink_to("a.txt")
    assert found(folder / "link") == [folder / "link"]


@pytest.mark.parametrize("name", ["missing.txt", "dangling", "a.txt/b.txt", "x" * 300])
def test_what_is_not_there_is_the_systems_error(folder: Path, name: str) -> None:
    (folder / "dangling").symlink_to("nowhere")
    with pytest.raises(OSError, match=name[:20]):
        found(folder / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_the_systems_error(folder: Path) -> None:
    (folder / "a.txt").chmod(0)
    with pytest.raises(PermissionError):
        found(folder / "a.txt")


def test_a_glob_that_nothing_matches_is_unreachable(folder: Path) -> None:
    with pytest.raises(UnreachableError, match=r"^no file matches$"):
        found(folder / "*.none")
    with pytest.raises(UnreachableError):
        found(folder / "below*")  # a folder alone


def test_a_folder_is_an_error_that_suggests_its_texts(folder: Path) -> None:
    for path in (str(folder), f"{folder}/"):
        with pytest.raises(SourceError) as caught:
            found(path)
        assert one_line(caught.value) == f"{folder}: is a directory; the texts in it are {folder}/*.txt"


def test_something_that_is_no_file_is_an_error(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    for path in (Path("/dev/null"), folder / "pipe"):
        with pytest.raises(SourceError, match=f"^{path}: is not a file$"):
            found(path)


@pytest.mark.parametrize("pattern", ["b.txt", "*.txt"])
def test_an_empty_file_is_an_error_that_names_it(folder: Path, pattern: str) -> None:
    (folder / "b.txt").write_bytes(b"")
    with pytest.raises(CorpusError) as caught:
        found(folder / pattern)
    assert one_line(caught.value) == f"{folder}/b.txt: is empty"


def test_a_checksum_is_of_one_file(folder: Path) -> None:
    assert found(f"{folder}/a*.txt#sha256={sha256(b'a')}") == [folder / "a.txt"]
    with pytest.raises(SourceError, match="a checksum is of one file, and 3 match"):
        found(f"{folder}/*.txt#sha256={sha256(b'abc')}")


def test_names_in_messages_are_on_one_line(folder: Path) -> None:
    (folder / "two\nlines").write_bytes(b"")
    with pytest.raises(CorpusError) as caught:
        found(folder / "two\nlines")
    assert one_line(caught.value) == f"{folder}/two lines: is empty"


def test_a_path_cannot_have_what_is_no_character_and_no_byte_in_it(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"^half�\.txt: a path cannot have half a surrogate pair in it$"):
        local("half\ud800.txt")
    name = os.fsdecode(b"zy\xef.txt")
    (folder / name).write_text("z")
    assert found(folder / name) == [folder / name]
    assert found(f"file://{folder}/z*.txt") == [folder / name]


def test_a_tilde_means_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local("~/mine.txt").path == f"{tmp_path}/mine.txt"
    assert local("~/mine.txt").name == "~/mine.txt"


@pytest.mark.parametrize("start", ["file://", "file:", "FILE://localhost"])
def test_a_file_url_is_its_path_decoded(folder: Path, start: str) -> None:
    (folder / "ein Bücherstück~.txt").write_text("text")
    assert found(f"{start}{folder}/ein%20B%C3%BCcherst%C3%BCck~.txt") == [folder / "ein Bücherstück~.txt"]
    assert found(f"{start}{folder}/[ab].txt") == [folder / "a.txt", folder / "b.txt"]


@pytest.mark.parametrize("url", ["file://host/a.txt", "file:a.txt", "file://", "file:////host/a.txt", "file://~/a.txt"])
def test_a_file_url_of_another_machine_or_a_relative_path_is_an_error(url: str) -> None:
    with pytest.raises(SourceError, match=f"^{url}: a file URL must be file:///PATH$"):
        local(url)


def test_a_path_cannot_have_nul_in_it() -> None:
    for line in ("a\0.txt", "~a\0.txt", "file:///a%00.txt"):
        with pytest.raises(SourceError, match=r"a path cannot have NUL in it$"):
            local(line)


def test_plain_files_are_texts_where_they_are(folder: Path) -> None:
    fetched = local(folder / "*.txt").fetch(folder / "part", Limits(1, 1.0), None)
    assert fetched == tuple(Fetched(f"{folder}/{name}.txt", folder / f"{name}.txt", None) for name in "abc")
    assert not (folder / "part").exists()


def test_an_archive_among_the_files_is_told_by_the_texts_in_it(folder: Path) -> None:
    (folder / "b.txt").write_bytes(gzip.compress(b"b"))
    a, b, c = local(folder / "*.txt").fetch(folder / "part", Limits(1, 1.0), None)
    assert a.members is c.members is None
    assert [b"".join(member.pieces) for member in b.members or ()] == [b"b"]


@pytest.mark.parametrize(("name", "reason"), [("missing.txt", "No such file"), ("x" * 300, "File name too long")])
def test_a_file_that_the_system_does_not_give_is_unreachable(folder: Path, name: str, reason: str) -> None:
    with pytest.raises(UnreachableError, match=reason):
        local(folder / name).fetch(folder / "part", Limits(1, 1.0), None)
