"""Going on with a run that lost its checkpoints: on another machine, or before the first one was saved."""

import importlib
import math
import re
import shutil
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from charrnn.evaluation.scores import evaluate as evaluate_model
from charrnn.stopping import StopRequest
from charrnn.training import device, threads
from charrnn.training.device import THREAD_VARIABLES
from charrnn.training.events import Evaluation, Steps, TrainEvent
from charrnn.training.rollback import train_with_rollback
from tests.processor import needs_bfloat16
from tests.texts import made_up_play
from tests.workplace import Workplace, call

# The module, whose name the task of the same name has in the package `flows.pipeline`.
evaluate = importlib.import_module("tasks.evaluate")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> Workplace:
    folder = tmp_path_factory.mktemp("a place of its own")
    (folder / "a play.txt").write_text(made_up_play(20_000), encoding="utf-8")
    return Workplace(folder, folder / "a play.txt", api_url)


@pytest.fixture(scope="module")
def run_id(place: Workplace) -> str:
    answer = call(*place.options, "--set", "training.max_steps=20", "--quiet")
    assert answer.code == 0, answer.err
    return answer.out.strip()


def steps(place: Workplace, run_id: str, key: str) -> list[int]:
    return sorted(metric.step for metric in place.client.get_metric_history(run_id, key))


def go_on(place: Workplace, run_id: str, max_steps: int, *options: str) -> None:
    more = ["--set", f"training.max_steps={max_steps}", *options]
    answer = call("--set", f"tracking.uri={place.uri}", "--resume", run_id, *more)
    assert answer.code == 0, answer.err


def test_a_run_that_is_over_says_what_would_let_it_go_on(
    place: Workplace, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="charrnn"):
        go_on(place, run_id, 20)
    assert "train     is over; for more, raise training.epochs, max_steps, max_minutes or patience" in caplog.messages
    assert steps(place, run_id, "train/loss") == list(range(1, 21))


def test_a_run_goes_on_with_the_same_characters_from_another_file(place: Workplace, run_id: str) -> None:
    copy = place.folder / "a copy.txt"
    copy.write_bytes(place.text.read_bytes().replace(b"\n", b"\r\n"))
    before = place.client.get_run(run_id).data.tags
    go_on(place, run_id, 20, "--set", f"data.sources=['{copy}']")
    after = place.client.get_run(run_id).data.tags
    assert after["data.digest"] == before["data.digest"]
    assert after["corpus.sha256"] != before["corpus.sha256"]
    assert steps(place, run_id, "train/loss") == list(range(1, 21))


@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=needs_bfloat16)])
def test_a_run_says_what_it_computes_in(precision: str, place: Workplace, caplog: pytest.LogCaptureFixture) -> None:
    options = [*place.options, "--set", f"training.precision={precision}", "--set", "training.max_steps=1"]
    with caplog.at_level("INFO", logger="charrnn"):
        answer = call(*options)
    assert answer.code == 0, answer.err
    (line,) = (message for message in caplog.messages if message.startswith("train     lstm "))
    assert re.search(rf" (1 thread|\d+ threads), {precision}$", line)
    newest = place.client.get_run(place.runs()[0])
    assert re.search(rf" (1 thread|\d+ threads), {precision}; ", newest.data.tags["mlflow.note.content"])


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two cores, and an environment that leaves the number of threads open."""
    before = torch.get_num_threads()
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(device, "usable_cores", lambda: 2)
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_cores")
def test_the_number_of_threads_is_told_logged_kept_by_a_resumed_run_and_taken_by_what_follows(
    place: Workplace, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare(numbers: Sequence[int], *_: object) -> Generator[None, None, dict[int, float]]:
        yield from ()
        return {number: 1000.0 / number for number in numbers}

    monkeypatch.setattr(threads, "compare", compare)
    evaluated_with: list[int] = []

    def evaluating(*arguments: Any) -> Any:
        evaluated_with.append(torch.get_num_threads())
        return evaluate_model(*arguments)

    monkeypatch.setattr(evaluate, "evaluate_model", evaluating)
    options = ["--set", "training.threads=auto", "--set", "training.max_steps=5"]
    with caplog.at_level("INFO", logger="charrnn"):
        answer = call(*place.options, *options)
    assert answer.code == 0, answer.err
    assert "threads   1: in a trial, 1,000 characters/s with 1 thread, 500 with 2" in caplog.messages
    run_id = place.runs()[0]
    (row,) = place.client.get_metric_history(run_id, "train/threads")
    assert (row.step, row.value) == (0, 1)
    assert set(evaluated_with) == {1}
    caplog.clear()
    with caplog.at_level("INFO", logger="charrnn"):
        go_on(place, run_id, 10)
    assert not any(message.startswith("threads ") or "bit for bit" in message for message in caplog.messages)
    assert [row.value for row in place.client.get_metric_history(run_id, "train/threads")] == [1]


@pytest.mark.usefixtures("two_cores")
def test_more_threads_than_cores_are_told(place: Workplace, caplog: pytest.LogCaptureFixture) -> None:
    answer = call(*place.options, "--set", "training.max_steps=1", "--set", "training.threads=3")
    assert answer.code == 0, answer.err
    assert any("3 threads on the 2 cores" in message for message in caplog.messages)


@pytest.mark.parametrize(("fraction", "split"), [("0.1", "val"), ("0", "train")])
def test_an_evaluation_is_told_with_a_loss_also_without_a_validation_split(
    fraction: str, split: str, place: Workplace, caplog: pytest.LogCaptureFixture
) -> None:
    options = [f"splits.val_fraction={fraction}", "splits.test_fraction=0", "training.max_steps=20"]
    with caplog.at_level("INFO", logger="charrnn"):
        answer = call(*place.options, *[part for option in options for part in ("--set", option)])
    assert answer.code == 0, answer.err
    (line,) = (message for message in caplog.messages if message.startswith("  step "))
    assert re.fullmatch(rf"  step +20 +\d+ s  {split} loss \d\.\d{{4}}( \(best\))?", line)


def test_a_validation_loss_is_told_while_the_training_goes_on(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.tracking.outbox.sender.FLUSH_SECONDS", math.inf)
    told: list[int] = []

    def watched(*arguments: Any) -> Iterator[TrainEvent]:
        for event in train_with_rollback(*arguments):
            yield event
            if isinstance(event, Evaluation) and event.step == 20:
                until = time.monotonic() + 60
                while not told and time.monotonic() < until:
                    told.extend(steps(place, place.runs()[0], "val/loss"))
                    time.sleep(0.1)

    monkeypatch.setattr("tasks.train.train_with_rollback", watched)
    options = ["training.max_steps=40", "evaluation.every_steps=20"]
    assert call(*place.options, *[part for option in options for part in ("--set", option)]).code == 0
    assert told == [20]


def test_a_run_that_was_stopped_before_an_evaluation_goes_on_without_a_line_that_says_nothing(
    place: Workplace, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = StopRequest()

    @contextmanager
    def requests(**_: bool) -> Iterator[StopRequest]:
        yield request

    def stopping(*arguments: Any) -> Iterator[TrainEvent]:
        for event in train_with_rollback(*arguments):
            if isinstance(event, Steps) and event.last_step == 20:
                request.signal = signal.SIGINT
            yield event

    options = [f"splits.{split}_fraction=0" for split in ("val", "test")]
    with monkeypatch.context() as stop:
        stop.setattr("tasks.train.stop_requests", requests)
        stop.setattr("tasks.train.train_with_rollback", stopping)
        assert call(*place.options, *[part for option in options for part in ("--set", option)]).code == 130
    with caplog.at_level("INFO", logger="charrnn"):
        go_on(place, place.runs()[0], 40)
    assert "train     goes on from step 20" in caplog.messages
    (line,) = (message for message in caplog.messages if message.startswith("  step "))
    assert re.fullmatch(r"  step +40 +\d+ s  train loss \d\.\d{4}", line)


def test_without_the_folder_a_run_goes_on_from_its_artifacts(
    place: Workplace, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(place.folder / "the data" / "checkpoints")
    with caplog.at_level("INFO", logger="charrnn"):
        go_on(place, run_id, 30)
    assert "train     goes on from step 20" in caplog.messages
    assert not any("is over" in message for message in caplog.messages)
    assert steps(place, run_id, "train/loss") == list(range(1, 31))


def test_without_any_checkpoint_a_run_starts_again_and_logs_no_step_twice(place: Workplace, run_id: str) -> None:
    before = steps(place, run_id, "train/loss")
    assert before
    for checkpoint in place.folder.rglob("*.ckpt"):
        # The registered model keeps its own.
        if "models" not in checkpoint.parts:
            Path(checkpoint).unlink()
    go_on(place, run_id, len(before) + 10)
    for key in ("train/loss", "val/loss", "best/loss"):
        found = steps(place, run_id, key)
        assert len(set(found)) == len(found), key
    assert steps(place, run_id, "train/loss") == list(range(1, len(before) + 11))
