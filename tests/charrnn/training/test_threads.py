"""With how many threads a training computes. Speeds are made up: no test asserts a time."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from charrnn.config.loading import load_params
from charrnn.config.schema import Params, TrainingParams
from charrnn.data.streams import Streams
from charrnn.training import device as device_module
from charrnn.training import threads as threads_module
from charrnn.training.events import Evaluation, Pause, Steps, ThreadsChanged, TrainEvent
from charrnn.training.loop import train
from charrnn.training.state import TrainState, new_state
from charrnn.training.threads import (
    LOOK_AGAIN,
    REST,
    ROUNDS,
    TRIAL_SECONDS,
    WINDOW,
    Threads,
    compare,
    numbers_to_try,
    thread_warning,
)

CPU = torch.device("cpu")
IDS = np.random.default_rng(0).integers(0, 8, 400).astype(np.uint8)


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four cores, none of which is asked for in the environment."""
    before = torch.get_num_threads()
    for name in device_module.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads_module, "usable_cores", lambda: 4)
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Machine:
    """A made-up machine: its clock, and how fast it is with each number of threads."""

    def __init__(self, speeds: Mapping[int, float]) -> None:
        self.now = 100.0
        self.speeds = dict(speeds)
        self.measured: list[int] = []

    def clock(self) -> float:
        return self.now

    def measure(self, number: int, seconds: float) -> float:
        self.measured.append(number)
        self.now += max(seconds, 0.001)
        return self.speeds[number]

    def threads(self, training: TrainingParams) -> Threads:
        return Threads(training, CPU, self.clock, lambda *_: self.measure)


def params_for(*limits: str) -> Params:
    texts = ["model.hidden_size=6", "model.num_layers=2", "model.embedding_size=4", "model.dropout=0.2"]
    texts += [
        "training.seq_length=10",
        "training.batch_size=4",
        "training.log_every=3",
        "evaluation.every_seconds=null",
    ]
    return load_params([], [*texts, "checkpoint.every_seconds=null", *limits])


BY_TIME = params_for("training.max_minutes=60")
BY_STEPS = params_for("training.max_minutes=null", "training.max_steps=30")


def start(params: Params) -> tuple[TrainState, Streams]:
    return new_state(params.model, params.training, 8, 4, CPU), Streams(IDS, 4, 10, CPU)


def begin(machine: Machine, params: Params, chosen_before: int | None = None) -> tuple[Threads, TrainState, Streams]:
    state, streams = start(params)
    state.progress.threads = chosen_before
    threads = machine.threads(params.training)
    threads.begin(state, streams)
    return threads, state, streams


# What is tried


@pytest.mark.parametrize(
    ("most", "expected"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (4, (1, 2, 3, 4)), (12, (1, 2, 4, 8, 11, 12)), (16, (1, 2, 4, 8, 15, 16))],
)
def test_powers_of_two_all_cores_and_all_but_one_are_tried(most: int, expected: tuple[int, ...]) -> None:
    assert numbers_to_try(most) == expected


def finish(blocks: Any) -> dict[int, float]:
    while True:
        try:
            next(blocks)
        except StopIteration as end:
            result: dict[int, float] = end.value
            return result


def test_a_single_disturbed_block_decides_nothing() -> None:
    blocks: dict[int, list[float]] = {1: [], 2: []}

    def measure(number: int, seconds: float) -> float:
        blocks[number].append(seconds)
        disturbed = number == 2 and len(blocks[2]) == 2  # the first is not counted
        return 1.0 if disturbed else 100.0 * number

    assert finish(compare((1, 2), measure, 1.0, lambda: 0.0)) == {1: 100.0, 2: 200.0}
    assert blocks == {1: [0.0, *[0.1] * ROUNDS], 2: [0.0, *[0.1] * ROUNDS]}


def test_the_numbers_take_turns_in_changing_order() -> None:
    machine = Machine({1: 100.0, 2: 110.0, 3: 120.0})
    finish(compare((1, 2, 3), machine.measure, 10.0, lambda: 0.0))
    assert machine.measured[:9] == [3, 2, 1, 1, 2, 3, 3, 2, 1]


def test_what_is_half_as_fast_is_not_measured_to_the_end() -> None:
    machine = Machine({1: 100.0, 2: 49.0, 3: 51.0})
    assert finish(compare((1, 2, 3), machine.measure, 10.0, lambda: 0.0)) == {1: 100.0, 2: 49.0, 3: 51.0}
    assert [machine.measured.count(number) for number in (1, 2, 3)] == [ROUNDS + 1, 3, ROUNDS + 1]


@pytest.mark.parametrize(
    ("step", "measured"),
    [(0.2, [8, 7, 4, 1, 1, 4, 7, 8]), (0.4, [8, 7, 4]), (2.0, [8, 7])],
    ids=["round", "three", "two"],
)
def test_slow_steps_are_measured_less_often(step: float, measured: list[int]) -> None:
    machine = Machine({1: 100.0, 4: 105.0, 7: 108.0, 8: 110.0})

    def slow(number: int, seconds: float) -> float:
        machine.now += step
        return machine.measure(number, seconds)

    assert finish(compare((1, 4, 7, 8), slow, 1.2, machine.clock)) == {one: machine.speeds[one] for one in measured}
    assert machine.measured == measured


# The choice at the start


@pytest.mark.parametrize("params", [BY_TIME, BY_STEPS])
@pytest.mark.parametrize("fastest", [1, 2, 3, 4])
def test_the_fastest_number_is_taken_noted_and_counted_as_training_time(params: Params, fastest: int) -> None:
    machine = Machine({number: 100.0 + 50.0 * (number == fastest) for number in (1, 2, 3, 4)})
    threads, state, _ = begin(machine, params)
    assert (torch.get_num_threads(), state.progress.threads) == (fastest, fastest)
    assert threads.speeds == machine.speeds
    assert state.progress.elapsed == pytest.approx(min(TRIAL_SECONDS, machine.now - 100.0))


def test_a_trial_that_takes_too_long_leaves_a_short_training_its_time() -> None:
    params = params_for("training.max_minutes=0.05")
    machine = Machine({1: 100.0, 2: 1.0, 3: 1.0, 4: 1.0})

    def slow(number: int, seconds: float) -> float:
        machine.now += 10.0
        return machine.speeds[number]

    state, streams = start(params)
    Threads(params.training, CPU, machine.clock, lambda *_: slow).begin(state, streams)
    assert state.progress.elapsed == pytest.approx(0.02 * 3.0)


def test_a_short_training_has_a_shorter_trial() -> None:
    machine = Machine({1: 1.0, 2: 2.0, 3: 2.0, 4: 2.0})
    begin(machine, params_for("training.max_minutes=0.05"))
    assert machine.now - 100.0 < 0.1


def test_a_training_limited_by_steps_keeps_its_number_when_it_is_resumed() -> None:
    machine = Machine({1: 100.0, 2: 1.0, 3: 1.0, 4: 1.0})
    threads, state, _ = begin(machine, BY_STEPS, chosen_before=3)
    assert (torch.get_num_threads(), state.progress.threads, machine.measured) == (3, 3, [])
    assert not threads.trial_is_due


def test_it_keeps_its_number_also_where_there_are_fewer_cores() -> None:
    torch.set_num_threads(1)
    _, state, _ = begin(Machine({}), BY_STEPS, chosen_before=3)
    assert (torch.get_num_threads(), state.progress.threads) == (3, 3)


def test_a_training_limited_by_time_chooses_anew_when_it_is_resumed() -> None:
    _, state, _ = begin(Machine({1: 100.0, 2: 1.0, 3: 1.0, 4: 1.0}), BY_TIME, chosen_before=3)
    assert (torch.get_num_threads(), state.progress.threads) == (1, 1)


@pytest.mark.parametrize("value", ["2", "null"])
def test_nothing_is_tried_where_the_number_is_given(value: str) -> None:
    params = params_for("training.max_minutes=60", f"training.threads={value}")
    _, state, _ = begin(Machine({}), params, chosen_before=3)
    assert (torch.get_num_threads(), state.progress.threads) == (4, 4)  # what `computing` has set


@pytest.mark.parametrize("name", device_module.THREAD_VARIABLES)
@pytest.mark.parametrize("params", [BY_TIME, BY_STEPS])
def test_nothing_is_tried_where_the_environment_gives_the_number(
    name: str, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "4")
    _, state, _ = begin(Machine({}), params)
    assert (torch.get_num_threads(), state.progress.threads) == (4, 4)


def test_nothing_is_tried_with_one_core_or_on_a_gpu() -> None:
    machine = Machine({})
    Threads(BY_TIME.training, torch.device("cuda"), machine.clock, lambda *_: machine.measure).begin(*start(BY_TIME))
    torch.set_num_threads(1)
    begin(machine, BY_TIME)
    assert machine.measured == []


def test_more_threads_than_cores_are_worth_a_warning() -> None:
    assert thread_warning(4) == ""
    assert thread_warning(5) == (
        "5 threads on the 4 cores that this process gets: they wait for each other; "
        "a new training with training.threads auto takes at most 4"
    )


# A trial changes nothing


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(equal(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)


@pytest.mark.parametrize("stopped_after", [1, 3, 1000])
def test_a_trial_by_real_steps_leaves_state_random_state_and_threads_as_they_were(stopped_after: int) -> None:
    params = params_for("training.max_minutes=60", "training.batch_size=4")
    state, streams = start(params)
    events = train(state, streams, None, params)
    next(events)  # gradients, moments and a hidden state
    before = state.to_dict()
    trial = Threads(params.training, CPU).choose(state, streams)
    blocks = 0
    for blocks, _ in enumerate(trial, start=1):
        assert torch.get_num_threads() == 4
        assert equal(state.to_dict(), before)
        if blocks == stopped_after:
            break
    else:
        before["progress"]["threads"] = torch.get_num_threads()
        assert blocks >= 2, "on a busy machine, the first figures of two numbers must do"
    assert equal(state.to_dict(), before)


def test_a_training_ends_the_same_with_a_trial_as_without() -> None:
    torch.set_num_threads(2)
    ends = []
    for tried in (False, True):
        state, streams = start(BY_STEPS)
        threads = None
        if tried:
            threads = Threads(BY_STEPS.training, CPU)
            threads.begin(state, streams)
            torch.set_num_threads(2)
        list(train(state, streams, streams, BY_STEPS, threads))
        ends.append(copy.deepcopy(state.to_dict()))
    for part in ("model", "average", "optimizer", "hidden", "rng"):
        assert equal(ends[0][part], ends[1][part]), part


# Again, while it runs

QUIET = {1: 100.0, 2: 200.0, 3: 300.0, 4: 400.0}


@pytest.fixture
def machine() -> Machine:
    return Machine(QUIET)


def rest(machine: Machine) -> None:
    """Let as much time pass as must lie between two trials."""
    machine.now += REST * 1.5


def test_a_training_at_less_than_half_its_speed_is_looked_at_again(machine: Machine) -> None:
    threads, _, _ = begin(machine, BY_TIME)
    rest(machine)
    threads.note(201.0, WINDOW)
    assert not threads.trial_is_due
    threads.note(199.0, WINDOW)
    assert threads.trial_is_due


def test_a_short_slow_time_is_none(machine: Machine) -> None:
    threads, _, _ = begin(machine, BY_TIME)
    rest(machine)
    threads.note(1.0, 0.1 * WINDOW)
    assert not threads.trial_is_due
    threads.note(400.0, 0.9 * WINDOW)
    assert not threads.trial_is_due


def test_trials_have_training_between_them(machine: Machine) -> None:
    threads, state, _ = begin(machine, BY_TIME)
    threads.note(1.0, WINDOW)
    assert not threads.trial_is_due
    machine.now += REST * state.progress.elapsed
    assert threads.trial_is_due


def test_a_training_limited_by_steps_is_never_looked_at_again(machine: Machine) -> None:
    both = params_for("training.max_minutes=60", "training.max_steps=30")
    for params in (BY_STEPS, both):
        torch.set_num_threads(4)
        threads, _, _ = begin(machine, params)
        machine.now += 1000 * LOOK_AGAIN
        threads.note(1.0, WINDOW)
        assert not threads.trial_is_due


def test_fewer_threads_than_cores_are_looked_at_again_from_time_to_time(machine: Machine) -> None:
    threads, _, _ = begin(machine, BY_TIME)
    machine.now += 2 * LOOK_AGAIN
    assert not threads.trial_is_due  # all four
    machine.speeds = {1: 100.0, 2: 50.0, 3: 40.0, 4: 30.0}
    threads, _, _ = begin(machine, BY_TIME)
    machine.now += 0.9 * LOOK_AGAIN
    assert not threads.trial_is_due
    machine.now += 0.2 * LOOK_AGAIN
    assert threads.trial_is_due


def changes_of(
    machine: Machine, during: Callable[[TrainEvent, TrainState], None], steps: int
) -> tuple[list[ThreadsChanged], TrainState]:
    """Train for `steps` steps, limited by time; return the changes of the number of threads."""
    threads, state, streams = begin(machine, BY_TIME)
    found = []
    for event in train(state, streams, streams, BY_TIME, threads):
        if isinstance(event, ThreadsChanged):
            found.append(event)
        during(event, state)
        if state.progress.step >= steps:
            break
    return found, state


def test_the_number_changes_when_another_is_faster(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "WINDOW", 0.0)

    def gets_busy(event: TrainEvent, state: TrainState) -> None:
        if isinstance(event, Steps) and event.last_step == 9:
            machine.speeds = {1: 1e12, 2: 30.0, 3: 20.0, 4: 10.0}
            machine.now += 1000.0

    # Real steps are far slower than these numbers say, so a trial is due as soon as the clock has gone on.
    machine.speeds = {number: 1e9 * number for number in QUIET}
    (change,), state = changes_of(machine, gets_busy, 30)
    assert change == ThreadsChanged(step=9, before=4, threads=1)
    assert str(change) == "1 thread from here on instead of 4: faster in a trial"
    assert (state.progress.threads, torch.get_num_threads()) == (1, 1)


def test_a_trial_that_finds_nothing_better_is_no_event(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "WINDOW", 0.0)
    machine.speeds = {number: 1e9 * number for number in QUIET}

    def passes(event: TrainEvent, state: TrainState) -> None:
        machine.now += 1000.0
        assert not isinstance(event, Evaluation)

    found, state = changes_of(machine, passes, 30)
    assert found == []
    assert state.progress.threads == 4
    assert len(machine.measured) > 2 * 4 * ROUNDS


def test_a_long_trial_can_be_stopped_in_the_middle(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "WINDOW", 0.0)
    monkeypatch.setattr("charrnn.training.loop.is_too_long", lambda silence: True)
    machine.speeds = {number: 1e9 * number for number in QUIET}
    threads, state, streams = begin(machine, BY_TIME)
    machine.now += 1000.0
    machine.speeds = {1: 4.0, 2: 3.0, 3: 2.0, 4: 1.0}
    events = train(state, streams, None, BY_TIME, threads)
    assert any(isinstance(event, Pause) for event in events)
    events.close()  # type: ignore[attr-defined]  # a generator
    assert (torch.get_num_threads(), state.progress.threads) == (4, 4)
