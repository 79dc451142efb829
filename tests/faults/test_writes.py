"""Whatever goes wrong with a write is one line, damages nothing that is there, and keeps no run from going on."""

import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from charrnn import files
from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.corpus import fetch_corpus
from charrnn.data.dataset import Dataset, encode_corpus
from charrnn.errors import FileError
from charrnn.files import keep_as, write_text
from charrnn.training.checkpoint import load_checkpoint, save_checkpoint
from tasks.tracking.runs import RunRef
from tasks.tracking.tracker import Tracker
from tasks.train import train
from tests.faults.interrupting import interrupted_at
from tests.faults.ledger import FACTOR, record
from tests.faults.twins import Record, differences, read_run
from tests.limits import largest_file, permissions_that_bind
from tests.workplace import SMOKE, Finished, Workplace, call, start_run

SMALL = ["training.max_steps=6", "checkpoint.every_steps=3", "evaluation.every_steps=3", "model.hidden_size=8"]
SMALL += ["tracking.system_metrics=false", "evaluation.sample_length=10", "model.dropout=0.2"]


class Disk:
    """What `charrnn.files` writes to: counts what is done to it, and fails once.

    Attributes:
        done: operations so far: writes, second names, syncs and renames.
        fail_at: the number of the operation that fails (from 1); None for none.
        number: the error it fails with.
    """

    def __init__(self, fail_at: int | None = None, number: int = errno.EIO) -> None:
        self.done = 0
        self.fail_at = fail_at
        self.number = number

    def __getattr__(self, name: str) -> Any:
        """Everything else is as it is in the module `os`."""
        return getattr(os, name)

    def link(self, source: Path, target: Path) -> None:
        self._count()
        os.link(source, target)

    def fsync(self, handle: int) -> None:
        self._count()
        os.fsync(handle)

    def replace(self, source: Path, target: Path) -> None:
        self._count()
        os.replace(source, target)

    def write_bytes(self, path: Path, data: bytes) -> int:
        """Write all, or half and fail, as a full disk does."""
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
            self._count()
            file.write(data[len(data) // 2 :])
        return len(data)

    def _count(self) -> None:
        self.done += 1
        if self.done == self.fail_at:
            raise OSError(self.number, os.strerror(self.number))


@contextmanager
def writing_to(disk: Disk) -> Iterator[Disk]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "os", disk)
        patch.setattr(Path, "write_bytes", lambda path, data: disk.write_bytes(path, data))
        yield disk


def failure_of(write: Callable[[], object]) -> str:
    """Return what `write` says when it fails; '' when it does not."""
    try:
        write()
    except FileError as error:
        return str(error)
    return ""


@pytest.fixture
def params(workplace: Workplace) -> Params:
    return load_params([SMOKE], [*workplace.overrides, *SMALL])


@pytest.fixture
def dataset(params: Params) -> Dataset:
    return encode_corpus(fetch_corpus(params.data), params.data)


def folder_of(run: RunRef, params: Params) -> Path:
    return Path(params.data.directory) / "checkpoints" / run.run_id


def read(workplace: Workplace, run: RunRef, params: Params) -> Record:
    assert Tracker(run).wait() == 0
    return read_run(workplace.client, run.run_id, folder_of(run, params))


def assert_nothing_is_broken(folder: Path) -> None:
    for path in folder.glob("**/*.ckpt"):
        load_checkpoint(path)
    assert [path.name for path in folder.rglob("*.part*")] == []


def numbers(operations: int) -> list[tuple[int, int]]:
    """Return which operation fails with which error: each with both in a long run, with one of them in a short one."""
    errors = (errno.ENOSPC, errno.EIO)
    every = [(operation, error) for operation in range(1, operations + 1) for error in errors]
    return every if FACTOR > 1 else [(operation, error) for operation, error in every if errors[operation % 2] == error]


def test_a_run_goes_on_after_any_of_its_writes_failed(workplace: Workplace, params: Params, dataset: Dataset) -> None:
    twin = start_run(params, "twin", {})
    with writing_to(Disk()) as disk:
        train.fn(dataset, params, twin)
    expected = read(workplace, twin, params)
    assert disk.done > 20
    for operation, number in numbers(disk.done):
        run = start_run(params, f"write {operation}", {})
        with writing_to(Disk(operation, number)):
            message = failure_of(partial(train.fn, dataset, params, run))
        assert_nothing_is_broken(folder_of(run, params))
        if message:  # a second name that cannot be had becomes a copy
            assert re.fullmatch(f"{re.escape(params.data.directory)}/.*{os.strerror(number)}", message)
            train.fn(dataset, params, run)
        found = read(workplace, run, params)
        different = differences(found.figures, expected.figures)
        record(
            f"a write of a checkpoint fails: {os.strerror(number)}",
            survived=not different,
            rows=len(found.figures),
            differences=len(different),
        )
        assert (different, found.repeated) == ([], ()), f"operation {operation}"


def test_an_encoding_of_which_any_write_failed_is_made_again(params: Params) -> None:
    corpus = fetch_corpus(params.data)
    encoded = Path(params.data.directory) / "encoded"
    with writing_to(Disk()) as disk:
        whole = encode_corpus(corpus, params.data)
    expected = {path.name: path.read_bytes() for path in whole.directory.iterdir()}
    for operation, number in numbers(disk.done):
        for path in whole.directory.iterdir():
            path.unlink()
        whole.directory.rmdir()
        with writing_to(Disk(operation, number)):
            message = failure_of(lambda: encode_corpus(corpus, params.data))
        assert re.fullmatch(f"{re.escape(str(encoded))}/.*{os.strerror(number)}", message)
        assert [path.name for path in encoded.rglob("*.part*")] == []
        found = {path.name: path.read_bytes() for path in encode_corpus(corpus, params.data).directory.iterdir()}
        record(f"a write of the encoding fails: {os.strerror(number)}", survived=found == expected)
        assert found == expected


@pytest.mark.parametrize(("megabytes", "message"), [(0.1, "disk I/O error"), (3, "last.ckpt: cannot write: File too")])
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    workplace: Workplace, megabytes: float, message: str
) -> None:
    """First there is no room in the store for another experiment, then none for a checkpoint of 5 MB."""
    options = [*workplace.options, "--set", "model.hidden_size=300", "--set", "training.max_steps=4"]
    with largest_file(int(megabytes * 1e6)):
        answer = call(*options, "--quiet")
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1, answer.err
    assert answer.err.startswith("error: ")
    assert message in answer.err
    assert workplace.unfinished_files() == []
    runs = workplace.runs()
    assert [workplace.client.get_run(run_id).info.status for run_id in runs] == ["FAILED"] * len(runs)
    again = call(*options, *(["--resume", runs[0]] if runs else []), "--quiet")
    assert again.code == 0, again.err
    assert len(workplace.runs()) == 1
    record("no room on the disk", survived=1)


def test_a_folder_that_cannot_be_written_is_one_line_and_keeps_what_it_has(tmp_path: Path, finished: Finished) -> None:
    best = load_checkpoint(next(finished.workplace.data_folder.rglob("best.ckpt")))
    folder = tmp_path / "folder"
    digest = save_checkpoint(folder / "last.ckpt", best)
    folder.chmod(0o555)
    writes: dict[str, Callable[[], object]] = {
        "save_checkpoint": lambda: save_checkpoint(folder / "last.ckpt", best),
        "keep_as": lambda: keep_as(folder / "last.ckpt", folder / "previous.ckpt"),
        "write_text": lambda: write_text(folder / "below" / "text.txt", "text"),
    }
    for name, write in writes.items():
        with permissions_that_bind(), pytest.raises(FileError, match="cannot write: Permission denied") as caught:
            write()
        assert "\n" not in str(caught.value), name
        record("a folder that cannot be written", survived=1)
    folder.chmod(0o755)
    assert [path.name for path in folder.iterdir()] == ["last.ckpt"]
    assert load_checkpoint(folder / "last.ckpt").sha256 == digest


@pytest.mark.parametrize("place", ["data.directory", "tracking.uri"])
def test_a_place_that_cannot_be_is_one_line_before_anything_starts(workplace: Workplace, place: str) -> None:
    value = f"{workplace.text}/folder" if place == "data.directory" else f"sqlite:///{workplace.text}/mlflow.db"
    answer = call(*workplace.options, "--set", f"{place}={value}", "--quiet")
    assert (answer.code, len(answer.err.splitlines())) == (2, 1), answer.err
    assert str(workplace.text) in answer.err
    assert workplace.runs() == []
    record("a folder that cannot be written", survived=1)


def test_too_little_memory_is_one_line(workplace: Workplace) -> None:
    """Gates of 4 x 3 million x 3 million numbers are more than any machine can address."""
    answer = call(*workplace.options, "--set", "model.hidden_size=3000000", "--quiet")
    assert (answer.code, len(answer.err.splitlines())) == (2, 1), answer.err
    assert answer.err.startswith("error: out of memory: lower training.batch_size")
    (run_id,) = workplace.runs()
    assert workplace.client.get_run(run_id).info.status == "FAILED"
    record("out of memory", survived=1)


def test_a_clock_that_runs_backwards_changes_nothing(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """First by as much as it should go forwards; then, when the run goes on, it is a day earlier."""
    longer = [*workplace.options, "--set", "training.max_steps=120", "--set", "model.dropout=0.2"]
    twin = call(*longer, "--quiet")
    start, now = time.time(), time.time
    with monkeypatch.context() as patch, interrupted_at("step +60 "):
        patch.setattr(time, "time", lambda: 2 * start - now())
        assert call(*longer).code == 130
    (run_id,) = set(workplace.runs()) - {twin.out.strip()}
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now() - 86400)
        answer = call("--set", f"tracking.uri={workplace.uri}", "--resume", run_id, "--quiet")
    assert answer.code == 0, answer.err
    found, expected = (load_run(workplace, one) for one in (run_id, twin.out.strip()))
    assert (differences(found.figures, expected.figures), found.repeated) == ([], ())
    record("the clock set back", injected=2, survived=2, rows=len(found.figures))


def load_run(workplace: Workplace, run_id: str) -> Record:
    return read_run(workplace.client, run_id, workplace.data_folder / "checkpoints" / run_id)
