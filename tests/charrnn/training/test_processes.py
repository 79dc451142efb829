"""Several processes that train one model, each on its share of the streams. They are real ones, on this machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from charrnn.config.loading import PROJECT, load_params
from charrnn.config.schema import Params
from charrnn.data.corpus import fetch_corpus
from charrnn.data.dataset import Dataset, encode_corpus
from charrnn.data.layout import check_shares
from charrnn.errors import CharrnnError, CheckpointError, CorpusError, ParamsError, RankError
from charrnn.training import ranks
from charrnn.training.checkpoint import checkpoint_of, load_checkpoint, save_checkpoint
from charrnn.training.device import computing
from charrnn.training.events import Evaluation, Steps
from charrnn.training.launched import Launched
from charrnn.training.loop import train
from charrnn.training.processes import joined
from charrnn.training.session import Session, new_session
from charrnn.training.state import TrainState
from charrnn.training.step import make_step
from tests.texts import made_up_play

CPU = torch.device("cpu")
SETTINGS = [
    *("model.hidden_size=24", "model.embedding_size=8", "model.dropout=0.2", "model.input_dropout=0.1"),
    *("training.seq_length=20", "training.batch_size=7", "training.max_steps=200", "training.max_minutes=null"),
    *("training.precision=float32", "training.threads=1", "training.restart_probability=0.1"),
    *("training.label_smoothing=0.05", "training.grad_clip=0.3", "training.ema_decay=0.9"),
    *("evaluation.every_seconds=null", "checkpoint.every_seconds=null"),
]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("a text") / "play.txt"
    path.write_text(made_up_play(12_000), encoding="utf-8")
    return path


def encoded(text: Path, *overrides: str) -> tuple[Dataset, Params]:
    places = [f"data.sources=['{text}']", f"data.directory={text.parent / 'data'}"]
    params = load_params([], [*places, *SETTINGS, *overrides])
    return encode_corpus(fetch_corpus(params.data), params.data), params


@contextmanager
def training(text: Path, processes: int, *overrides: str) -> Iterator[tuple[Session, Params, Dataset]]:
    dataset, params = encoded(text, *overrides, f"training.processes={processes}")
    with computing(params.training):
        session = new_session(dataset, params, CPU)
        with joined(session, dataset, params):
            yield session, params, dataset


def trained(session: Session, params: Params, steps: int) -> tuple[list[float], list[float]]:
    """Train for `steps`; return the losses of the steps and of the evaluations."""
    first = session.state.progress.step
    losses: list[float] = []
    evaluated: list[float] = []
    for event in train(session.state, session.streams, session.val_streams, params):
        if isinstance(event, Steps):
            losses += event.losses
        if isinstance(event, Evaluation) and event.loss is not None:
            evaluated.append(event.loss)
        if session.state.progress.step >= first + steps and isinstance(event, Steps):
            break
    return losses, evaluated


def gradients(state: TrainState) -> list[Tensor]:
    return [weights.grad.clone() for weights in state.model.parameters() if weights.grad is not None]


def equal(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def untimed(state: TrainState) -> dict[str, Any]:
    """What a state has, without what is a time."""
    values = state.to_dict()
    clocked = ("elapsed", "evaluated_at", "evaluation_seconds", "checkpointed_at")
    return {**values, "progress": {key: item for key, item in values["progress"].items() if key not in clocked}}


def followers(of: psutil.Process) -> list[psutil.Process]:
    return [child for child in of.children() if "charrnn.training.follower" in child.cmdline()]


def linked(process: psutil.Process) -> int:
    """How many connections a process has."""
    return len([link for link in process.net_connections("tcp") if link.status == psutil.CONN_ESTABLISHED])


def children() -> list[psutil.Process]:
    return followers(psutil.Process())


@pytest.mark.parametrize(
    ("processes", "overrides"),
    [(2, []), (3, ["data.documents=lines", "training.loss_reduction=sum", "splits.by=documents"])],
    ids=["streams", "documents in three processes"],
)
def test_the_gradient_of_several_processes_is_that_of_one(text: Path, processes: int, overrides: list[str]) -> None:
    found = []
    for number in (1, processes):
        with training(text, number, *overrides) as (session, params, _):
            of_steps = []
            for _ in range(4):  # also of a step after the first, with a hidden state
                nll, norm, *_ = make_step(session.state, session.streams, params.training)
                of_steps.append([nll, norm, *gradients(session.state)])
            found.append((of_steps, session.state.to_dict()))
    (one, state_of_one), (several, state_of_several) = found
    for ours, theirs in zip(one, several, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)
    assert torch.equal(state_of_one["rng"], state_of_several["rng"])
    for a, b in zip(state_of_one["hidden"], state_of_several["hidden"], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_the_curves_are_those_of_one_process_and_a_resumed_training_ends_bit_for_bit_the_same(
    text: Path, tmp_path: Path
) -> None:
    settings = ["evaluation.every_steps=50", "training.log_every=10"]
    with training(text, 1, *settings) as (session, params, _):
        losses, evaluated = trained(session, params, 200)
    with training(text, 2, *settings) as (session, params, dataset):
        first, _ = trained(session, params, 100)
        save_checkpoint(tmp_path / "x", checkpoint_of(session.state, params, dataset.vocabulary(), dataset.digest, ""))
        second, evaluated_in_two = trained(session, params, 100)
        whole = untimed(session.state)
        # Back, as after a divergence, without new processes.
        session.state.load_dict(load_checkpoint(tmp_path / "x").state)
        again, _ = trained(session, params, 100)
        assert again == second
        assert equal(untimed(session.state), whole)
    assert first + second == pytest.approx(losses, abs=1e-4)
    assert evaluated_in_two == pytest.approx(evaluated[-len(evaluated_in_two) :], abs=1e-4)

    saved = load_checkpoint(tmp_path / "x")
    assert saved.device.endswith(", 1 thread, 2 processes")
    with training(text, 2, *settings) as (session, params, _):
        session.state.load_dict(saved.state)
        resumed, _ = trained(session, params, 100)
        assert resumed == second
        assert equal(untimed(session.state), whole)
    with training(text, 1, *settings) as (session, params, _):  # another number of processes
        session.state.load_dict(saved.state)
        resumed, _ = trained(session, params, 100)
    assert resumed == pytest.approx(second, abs=1e-4)


def test_a_process_that_is_killed_ends_the_training_and_no_process_stays(text: Path) -> None:
    started: list[psutil.Process] = []

    def kill_one() -> None:
        with training(text, 3, "training.max_steps=100000") as (session, params, _):
            started.extend(children())
            assert len(started) == 2
            for number, _ in enumerate(train(session.state, session.streams, session.val_streams, params)):
                if number == 3:
                    os.kill(max(process.pid for process in started), signal.SIGKILL)
                    # Its links break, and the other one ends, too.
                    while not all(process.status() == psutil.STATUS_ZOMBIE for process in started):
                        time.sleep(0.02)

    with pytest.raises(RankError, match="rank 2 of this training was ended by SIGKILL; its last checkpoint is kept"):
        kill_one()
    assert not any(process.is_running() for process in started)


@pytest.mark.parametrize("before", ["init_process_group", "new_group"])
def test_a_process_that_is_killed_while_all_meet_ends_the_training_and_another_one_can_begin(
    text: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    meet = getattr(dist, before)

    def killing(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(dist, before, meet)
        for process in children():
            process.kill()
        return meet(*arguments, **options)

    monkeypatch.setattr(dist, before, killing)
    with monkeypatch.context() as killed:
        killed.setattr(ranks, "PATIENCE", 1.0)
        with pytest.raises(RankError, match="rank 1 of this training was ended by SIGKILL"), training(text, 2):
            raise AssertionError("they train")
    with training(text, 2) as (session, params, _):
        make_step(session.state, session.streams, params.training)


LEADER = """
import sys
import charrnn
charrnn.fit(sys.argv[1], overrides=sys.argv[2:], progress=False)
"""


SEEKING = """
import os, subprocess, sys
subprocess.run([sys.executable, "-m", "charrnn.training.follower", str(os.getpid())])
"""


def test_where_rank_0_is_killed_the_others_end(text: Path) -> None:
    settings = [
        *SETTINGS,
        f"data.directory={text.parent / 'data'}",
        "training.processes=2",
        "training.max_steps=1000000",
    ]
    leader = psutil.Popen([sys.executable, "-c", LEADER, str(text), *settings], cwd=PROJECT, stderr=subprocess.PIPE)
    try:
        while not (started := followers(leader)) or linked(started[0]) < 3:  # the store, and processes that train
            assert leader.poll() is None, leader.communicate()
            time.sleep(0.1)
    finally:
        leader.kill()
    assert psutil.wait_procs(started, timeout=60)[1] == []
    assert leader.communicate()[1] == b""


def test_a_process_that_still_seeks_rank_0_when_that_is_killed_ends() -> None:
    # Nobody listens at the port where it looks for rank 0.
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = Launched(1, 2, 1, 2, "127.0.0.1", free.getsockname()[1], has_store=True)
    leader = psutil.Popen([sys.executable, "-c", SEEKING], env={**os.environ, **place.environment()}, cwd=PROJECT)
    try:
        while not (started := followers(leader)) or started[0].num_threads() == 1:  # it is still being imported
            assert leader.poll() is None
            time.sleep(0.1)
    finally:
        leader.kill()
        leader.wait()
    gone, left = psutil.wait_procs(started, timeout=20)
    for process in left:
        process.kill()
    assert (len(gone), left) == (1, [])


def other_text(dataset: Dataset) -> None:
    """Have another text where the first one was."""
    other, _ = encoded_elsewhere(dataset.directory.parents[2])
    dataset.directory.rename(dataset.directory.with_name("away"))
    other.directory.rename(dataset.directory)


def encoded_elsewhere(folder: Path) -> tuple[Dataset, Params]:
    text = folder / "another.txt"
    text.write_text(made_up_play(9_000, seed=1), encoding="utf-8")
    return encoded(text)


def no_text(dataset: Dataset) -> None:
    dataset.directory.rename(dataset.directory.with_name("away"))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            other_text,
            CheckpointError,
            r"rank 1 on \S+: has another text .* \(digest \w{12}, that of rank 0 is \w{12}\)",
        ),
        (no_text, CorpusError, r"rank 1 on \S+: .*dataset.json.*No such file.*the data folder at the same path"),
    ],
)
def test_processes_that_do_not_have_the_same_text_make_no_step(
    tmp_path: Path, change: Any, error: type[CharrnnError], message: str
) -> None:
    text = tmp_path / "play.txt"
    text.write_text(made_up_play(9_000), encoding="utf-8")
    dataset, params = encoded(text, "training.processes=2")
    session = new_session(dataset, params, CPU)
    change(dataset)
    with pytest.raises(error, match=message), joined(session, dataset, params):
        raise AssertionError("they train")
    assert not children()


def test_more_processes_than_streams_are_refused_before_any_starts(text: Path) -> None:
    with pytest.raises(ParamsError, match=r"training.processes must be at most training.batch_size.* 7, got 8"):
        encoded(text, "training.processes=8")
    dataset, params = encoded(text, "training.processes=3", "training.seq_length=4000")
    with pytest.raises(ParamsError, match=r"training.processes: must be at most 2, the streams .* got 3"):
        check_shares(dataset.splits(params.splits), params.training)
