from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from charrnn.config.schema import DataParams
from charrnn.data.decoding import read_file
from charrnn.data.text_file import TextFile, file_sha256
from charrnn.data.watch import Watch, watched
from charrnn.errors import CorpusError

TEXT = "one\ntwo\nthree\n" * 20


@pytest.fixture
def file(tmp_path: Path) -> TextFile:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return TextFile("the file", path, file_sha256(path), len(TEXT))


def read(file: TextFile, pieces: int | None = None) -> None:
    for number, _ in enumerate(read_file(file, DataParams(), chunk_bytes=10)):
        if number == pieces:
            return


@pytest.mark.parametrize("content", [TEXT.replace("three", "tree", 1), TEXT.replace("one", "two"), TEXT + "more", ""])
def test_a_file_that_was_another_when_it_was_read_is_an_error(file: TextFile, content: str) -> None:
    file.path.write_text(content)
    with watched([file]) as (watch,):
        read(watch.file)
        with pytest.raises(CorpusError, match=r"^the file: changed while it was read; run again$"):
            watch.check_unchanged()


def test_a_file_that_was_as_fetched_when_it_was_read_to_its_end_is_not_read_again(file: TextFile) -> None:
    with watched([file]) as (watch,):
        read(watch.file, pieces=2)
        read(watch.file)
        file.path.unlink()
        watch.check_unchanged()


@pytest.mark.parametrize("pieces", [0, 3])
def test_a_file_that_was_not_read_to_its_end_the_last_time_is_read_again(file: TextFile, pieces: int) -> None:
    with watched([file]) as (watch,):
        read(watch.file)
        read(watch.file, pieces)
        watch.check_unchanged()
        file.path.write_text(TEXT.upper())
        with pytest.raises(CorpusError, match="changed"):
            watch.check_unchanged()


def test_the_last_reading_counts(file: TextFile) -> None:
    with watched([file]) as (watch,):
        read(watch.file)
        file.path.write_text(TEXT.upper())
        read(watch.file)
        with pytest.raises(CorpusError, match="changed"):
            watch.check_unchanged()


class Waited(Future[Any]):
    """What is done when it is waited for, and no sooner: the slowest thread there is."""

    def __init__(self, do: Callable[[], Any], waiting: "list[Waited]") -> None:
        super().__init__()
        self._do, self._waiting = do, waiting
        waiting.append(self)

    def result(self, timeout: float | None = None) -> Any:
        if self in self._waiting:
            self._waiting.remove(self)
            self.set_result(self._do())
        return super().result(timeout)


class Slowest(Executor):
    def __init__(self) -> None:
        self.waiting: list[Waited] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return Waited(lambda: fn(*args, **kwargs), self.waiting)


def test_one_piece_is_held_until_it_is_hashed_however_slow_that_is(file: TextFile) -> None:
    worker = Slowest()
    watch = Watch(file, worker)
    for _ in read_file(watch.file, DataParams(), chunk_bytes=10):
        assert len(worker.waiting) == 1
    file.path.unlink()
    watch.check_unchanged()
    assert not worker.waiting
