import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.streams import Streams
from charrnn.errors import DivergedError
from charrnn.training.events import CheckpointDue, Evaluation, RolledBack, Steps, TrainEvent
from charrnn.training.loop import train
from charrnn.training.rollback import MemoryStates, train_with_rollback
from charrnn.training.state import TrainState, new_state
from tests.charrnn.training.nested import equal

CPU = torch.device("cpu")
SIZE = 7
IDS = np.random.default_rng(0).integers(0, SIZE - 1, 300).astype(np.uint8)


def params_for(*overrides: str) -> Params:
    texts = ["model.hidden_size=5", "model.embedding_size=4", "training.seq_length=10", "training.batch_size=3"]
    texts += [
        "training.max_steps=30",
        "training.max_minutes=null",
        "training.log_every=5",
        "training.schedule=constant",
    ]
    texts += ["evaluation.every_steps=null", "evaluation.every_seconds=null"]
    return load_params([], [*texts, "checkpoint.every_steps=10", "checkpoint.every_seconds=null", *overrides])


def start(params: Params) -> tuple[TrainState, Streams]:
    streams = Streams(IDS, 3, 10, CPU)
    return new_state(params.model, params.training, SIZE, streams.batch_size, CPU), streams


def spoil(state: TrainState) -> None:
    with torch.no_grad():
        state.model.decoder.bias[0] = math.nan


def watched(
    state: TrainState, streams: Streams, params: Params, spoilt_after: list[int], states: MemoryStates
) -> Iterator[TrainEvent]:
    """Train, save where it is asked for, and spoil the weights after some steps, each once."""
    states.save(state)
    for event in train_with_rollback(state, streams, None, params, states):
        yield event
        if isinstance(event, CheckpointDue | RolledBack):
            states.save(state)
        if isinstance(event, Steps) and event.last_step in spoilt_after:
            spoilt_after.remove(event.last_step)
            spoil(state)


def of(kind: type[TrainEvent], events: list[TrainEvent]) -> list[TrainEvent]:
    return [event for event in events if isinstance(event, kind)]


def test_a_divergence_goes_back_to_the_newest_saved_state_and_halves_the_learning_rate() -> None:
    params = params_for()
    state, streams = start(params)
    events = list(watched(state, streams, params, [15], MemoryStates()))
    (back,) = of(RolledBack, events)
    assert isinstance(back, RolledBack)
    assert (back.step, back.to_step, back.rate_factor, back.times) == (16, 10, 0.5, 1)
    assert back.reason.startswith("training diverged at step 16: loss nan")
    steps = [event for event in events if isinstance(event, Steps)]
    assert [step for event in steps for step in range(event.first_step, event.last_step + 1)] == list(range(1, 31))
    rates = [rate for event in steps for rate in event.learning_rates]
    assert rates == [params.training.learning_rate] * 15 + [params.training.learning_rate / 2] * 15
    assert all(bool(weights.isfinite().all()) for weights in state.model.parameters())
    assert (state.progress.rollbacks, state.progress.rate_factor, state.progress.step) == (1, 0.5, 30)
    counts = [event.characters for event in steps]
    assert counts == sorted(counts)  # what was made before is not taken back


def test_it_goes_back_past_a_state_that_has_the_step_that_diverged() -> None:
    params = params_for("checkpoint.every_steps=16", "training.log_every=16")
    state, streams = start(params)
    states = MemoryStates()
    states.save(state)
    events = train_with_rollback(state, streams, None, params, states)
    found = []
    for event in events:
        found.append(event)
        if isinstance(event, Steps) and event.last_step == 16:
            spoil(state)
        if isinstance(event, CheckpointDue):
            states.save(state)
    (back,) = of(RolledBack, found)
    assert isinstance(back, RolledBack)
    assert (back.step, back.to_step) == (17, 0)


def test_what_the_state_was_before_is_there_again() -> None:
    params = params_for()
    state, streams = start(params)
    states = MemoryStates()
    events = watched(state, streams, params, [15], states)
    for event in events:
        if isinstance(event, CheckpointDue):
            kept = state.to_dict()
        if isinstance(event, RolledBack):
            break
    now = state.to_dict()
    for part in ("model", "average", "optimizer", "hidden", "rng"):
        assert equal(now[part], kept[part]), part
    changed = {name for name in now["progress"] if now["progress"][name] != kept["progress"][name]}
    assert changed <= {
        "step",
        "characters",
        "elapsed",
        "evaluation_seconds",
        "rollbacks",
        "rate_factor",
        "checkpointed_step",
        "checkpointed_at",
    }
    assert {"step", "rollbacks", "rate_factor"} <= changed


@pytest.mark.parametrize("max_rollbacks", [0, 1, 2])
def test_it_gives_up_after_max_rollbacks(max_rollbacks: int) -> None:
    params = params_for(f"training.max_rollbacks={max_rollbacks}")
    state, streams = start(params)
    events: list[TrainEvent] = []
    with pytest.raises(DivergedError, match="training diverged at step"):
        events.extend(watched(state, streams, params, [5, 10, 15, 20], MemoryStates()))
    assert len(of(RolledBack, events)) == max_rollbacks


def test_without_a_saved_state_the_divergence_is_raised() -> None:
    params = params_for()
    state, streams = start(params)
    spoil(state)
    with pytest.raises(DivergedError, match="at step 1: loss nan"):
        list(train_with_rollback(state, streams, None, params, lambda before: None))


def test_a_training_that_does_not_diverge_is_that_of_the_loop() -> None:
    params = params_for("evaluation.every_steps=7")
    (one, streams), (other, _) = start(params), start(params)
    plain = list(train(one, streams, None, params))
    guarded = list(train_with_rollback(other, streams, None, params, MemoryStates()))
    assert [type(event) for event in plain] == [type(event) for event in guarded]
    assert equal(dict(one.model.state_dict()), dict(other.model.state_dict()))


def test_weights_that_are_no_numbers_are_not_evaluated_as_the_best_without_a_validation_split() -> None:
    params = params_for("evaluation.every_steps=10", "training.ema_decay=null")
    state, streams = start(params)
    states = MemoryStates()
    states.save(state)
    spoilt = False
    found = []
    for event in train_with_rollback(state, streams, None, params, states):
        found.append(event)
        if isinstance(event, Steps) and event.last_step == 10 and not spoilt:
            spoilt = True
            spoil(state)
    (back,) = of(RolledBack, found)
    assert isinstance(back, RolledBack)
    assert (back.step, back.to_step) == (11, 0)
    assert [event.step for event in of(Evaluation, found) if isinstance(event, Evaluation)] == [10, 20, 30]


def test_the_best_evaluation_is_not_taken_back() -> None:
    params = params_for("evaluation.every_steps=5", "checkpoint.every_steps=30")
    state, streams = start(params)
    for event in watched(state, streams, params, [15], MemoryStates()):
        if isinstance(event, RolledBack):
            assert (event.step, event.to_step, state.progress.best_step) == (16, 0, 15)
            assert state.progress.evaluation_seconds > 0
            return
    pytest.fail("training did not go back")


def test_memory_keeps_the_last_two_states() -> None:
    params = params_for()
    state, _ = start(params)
    states = MemoryStates()
    assert states(None) is None
    for step in (1, 2, 3):
        state.progress.step = step
        states.save(state)
    newest, before = states(None), states(3)
    assert newest is not None
    assert before is not None
    assert (newest.step, before.step, states(2)) == (3, 2, None)
