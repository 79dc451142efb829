import errno
import glob
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from charrnn.config.loading import PROJECT
from charrnn.errors import FileError
from charrnn.files import atomic_directory, atomic_file, explain, workspace, write_bytes, write_text


class InterruptionError(Exception):
    """What a block may raise that has nothing to do with files."""


def write_file(path: Path) -> None:
    write_bytes(path, b"new")


def write_directory(path: Path) -> None:
    with atomic_directory(path) as temporary:
        (temporary / "a").write_bytes(b"new")
        (temporary / "b").write_bytes(b"new too")


WRITERS = [write_file, write_directory]


def content(path: Path) -> dict[str, bytes]:
    """Return what is in the file, or in the files of the folder, hidden ones included."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.fixture(params=[errno.ENOSPC, errno.EIO], ids=["no space", "input/output error"])
def fail(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that makes a function of the operating system fail; its error has the reason in it."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    return lambda name: monkeypatch.setattr(os, name, refuse)


# Writing


def test_a_file_is_written_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "file.txt"
    write_text(path, "old, and long")
    write_text(path, "é\r\n")
    assert path.read_bytes() == "é\r\n".encode()
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_directory_is_written_whole(tmp_path: Path) -> None:
    write_directory(tmp_path / "folders" / "new")
    assert content(tmp_path) == {"folders/new/a": b"new", "folders/new/b": b"new too"}


def test_nobody_sees_a_file_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")
    with atomic_file(path) as temporary:
        temporary.write_bytes(b"half of")
        assert path.read_bytes() == b"old"
        assert temporary.parent == path.parent
        assert glob.glob(f"{tmp_path}/*") == [str(path)]  # the other is hidden
    assert path.read_bytes() == b"half of"


def test_nobody_sees_a_directory_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with atomic_directory(path) as temporary:
        (temporary / "a").write_bytes(b"new")
        assert not path.exists()
        assert glob.glob(f"{tmp_path}/*") == []
    assert content(path) == {"a": b"new"}


def test_what_was_written_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int | str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(handle: int) -> None:
        done.append(os.fstat(handle).st_ino)
        fsync(handle)

    def note_replace(*args: Path) -> None:
        done.append("rename")
        replace(*args)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    write_file(tmp_path / "it")
    number = {path.name: path.stat().st_ino for path in (tmp_path, tmp_path / "it")}
    assert done == [number["it"], "rename", number[tmp_path.name]]

    done.clear()
    write_directory(tmp_path / "both")
    number |= {path.name: path.stat().st_ino for path in [tmp_path / "both", *(tmp_path / "both").iterdir()]}
    assert set(done[:2]) == {number["a"], number["b"]}
    assert done[2:] == [number["both"], "rename", number[tmp_path.name]]


def test_a_directory_that_came_to_exist_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with atomic_directory(path) as temporary:
        (temporary / "a").write_bytes(b"ours")
        path.mkdir()
        (path / "a").write_bytes(b"theirs")
    assert content(tmp_path) == {"folder/a": b"theirs"}


def test_a_directory_that_came_to_exist_in_the_last_moment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "folder"
    rename = os.replace

    def too_late(source: Path, target: Path) -> None:
        path.mkdir()
        (path / "a").write_bytes(b"theirs")
        rename(source, target)

    monkeypatch.setattr(os, "replace", too_late)
    with atomic_directory(path) as temporary:
        (temporary / "a").write_bytes(b"ours")
    assert content(tmp_path) == {"folder/a": b"theirs"}


def test_a_rename_that_is_not_on_the_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def fail_for_the_parent(number: int) -> None:
        if os.fstat(number).st_ino == tmp_path.stat().st_ino:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(number)

    monkeypatch.setattr(os, "fsync", fail_for_the_parent)
    with pytest.raises(FileError, match=r"Input/output error$"), atomic_directory(tmp_path / "folder") as temporary:
        (temporary / "a").write_bytes(b"a")


# What goes wrong


def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")

    def write() -> None:
        with atomic_file(path) as temporary:
            temporary.write_bytes(b"half of")
            raise InterruptionError

    with pytest.raises(InterruptionError):
        write()
    assert content(tmp_path) == {"file.txt": b"old"}


def test_a_block_that_raises_leaves_no_directory(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_directory(tmp_path / "folder") as temporary:
            (temporary / "a").write_bytes(b"half of")
            raise InterruptionError

    with pytest.raises(InterruptionError):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("atomic", [atomic_file, atomic_directory])
def test_an_error_of_the_system_in_the_block_is_told_with_the_path(
    tmp_path: Path, atomic: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    def write() -> None:
        with atomic(tmp_path / "it"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(FileError, match=r"/it: cannot write: No space left on device$"):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_what_was_there_and_says_why(
    tmp_path: Path, fail: Callable[[str], None], broken: str, write: Callable[[Path], None]
) -> None:
    (tmp_path / "beside").write_bytes(b"old")
    fail(broken)
    with pytest.raises(FileError) as caught:
        write(tmp_path / "it")
    assert content(tmp_path) == {"beside": b"old"}
    assert str(caught.value) in {
        f"{tmp_path}/it: cannot write: {os.strerror(number)}" for number in (errno.ENOSPC, errno.EIO)
    }


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_the_old_file(tmp_path: Path, fail: Callable[[str], None], broken: str) -> None:
    (tmp_path / "it").write_bytes(b"old")
    fail(broken)
    with pytest.raises(FileError):
        write_file(tmp_path / "it")
    assert content(tmp_path) == {"it": b"old"}


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("path", "reason"),
    [("a file/in the way/it", "Not a directory"), ("a file/it", "File exists"), ("x" * 300, "File name too long")],
)
def test_a_place_where_nothing_can_be_written_is_told(
    tmp_path: Path, write: Callable[[Path], None], path: str, reason: str
) -> None:
    (tmp_path / "a file").write_bytes(b"old")
    with pytest.raises(FileError) as caught:
        write(tmp_path / path)
    assert str(caught.value) == f"{tmp_path / path}: cannot write: {reason}"
    assert content(tmp_path) == {"a file": b"old"}


def test_a_folder_in_the_place_of_the_file_is_told_and_stays(tmp_path: Path) -> None:
    write_directory(tmp_path / "it")
    with pytest.raises(FileError, match=r"/it: cannot write: Is a directory$"):
        write_file(tmp_path / "it")
    assert content(tmp_path) == {"it/a": b"new", "it/b": b"new too"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("write", WRITERS)
def test_a_folder_that_may_not_be_written_to_is_told(tmp_path: Path, write: Callable[[Path], None]) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match=r"/it: cannot write: Permission denied$"):
        write(tmp_path / "it")


def test_an_error_without_a_reason_is_told_by_its_text() -> None:
    error = explain(OSError("the tape is torn"), "read", Path("a.txt"))
    assert str(error) == "a.txt: cannot read: the tape is torn"
    assert str(explain(OSError(errno.EIO, "bad sector"), "lock", Path("b"))) == "b: cannot lock: bad sector"


# A workspace


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_a_workspace_is_an_empty_folder_that_goes_however_the_block_ends(
    tmp_path: Path, error: Exception | None
) -> None:
    def work() -> None:
        with workspace(tmp_path / "new" / "folder") as folder:
            assert list(folder.iterdir()) == []
            (folder / "it").write_text("half")
            if error:
                raise error

    with pytest.raises(ValueError, match="no") if error else nullcontext():
        work()
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_a_workspace_of_a_process_that_was_killed_goes_with_the_next_one(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from charrnn.files import workspace
with workspace(Path(sys.argv[1])) as folder:
    (folder / "it").write_text("half")
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT).returncode == 9
    (left,) = tmp_path.iterdir()
    with workspace(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]
        assert folder != left


def test_what_the_disk_refuses_in_a_workspace_is_told(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(FileError, match=r"/a file: cannot write: File exists$"), workspace(tmp_path / "a file"):
        pass
    with pytest.raises(FileError, match=r": cannot write: No space left on device$"), workspace(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
