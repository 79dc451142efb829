"""Stopping at any event, any number of times, through a checkpoint file, changes nothing: whatever the parameters."""

import dataclasses
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from charrnn.config.loading import validate_params
from charrnn.config.schema import Params
from charrnn.data.pieces import Pieces
from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Ids, Vocabulary
from charrnn.data.windows import Windows
from charrnn.model.cells import CELLS
from charrnn.training import limits
from charrnn.training.checkpoint import checkpoint_of, load_checkpoint, save_checkpoint
from charrnn.training.events import CheckpointDue, Evaluation, Pause, Steps, TrainEvent
from charrnn.training.loop import train
from charrnn.training.optimizers import OPTIMIZERS
from charrnn.training.schedules import SCHEDULES
from charrnn.training.state import TrainState, new_state
from tests.faults.ledger import FACTOR, record
from tests.faults.twins import differences, flat

VOCABULARY = Vocabulary("abcdefgh", (1,) * 8, tuple(range(8)))
IDS = np.random.default_rng(0).integers(0, 8, 400).astype(np.uint8)
TRAIN_IDS, VAL_IDS = IDS[:260], IDS[260:]
CPU = torch.device("cpu")


@st.composite
def parameters(draw: st.DrawFn) -> Params:
    """Everything that shapes training, so small that a run has several epochs of a few windows."""
    tied = draw(st.booleans())
    hidden_size = draw(st.integers(2, 6))
    model = {
        "cell": draw(st.sampled_from(list(CELLS))),
        "hidden_size": hidden_size,
        "num_layers": draw(st.integers(1, 2)),
        "embedding_size": hidden_size if tied else draw(st.none() | st.integers(1, 5)),
        "tie_weights": tied,
        "input_dropout": draw(st.sampled_from([0.0, 0.2])),
        "dropout": draw(st.sampled_from([0.0, 0.3])),
        "layer_norm": draw(st.booleans()),
    }
    schedule = draw(st.sampled_from(list(SCHEDULES)))
    few = st.none() | st.integers(1, 9)
    training_values = {
        "seq_length": draw(st.integers(4, 16)),
        "batch_size": draw(st.integers(1, 5)),
        "padding": draw(st.booleans()),
        "epochs": draw(st.none() | st.integers(1, 3)),
        "max_steps": draw(st.integers(2, 30)),
        "max_minutes": None,
        "optimizer": draw(st.sampled_from(list(OPTIMIZERS))),
        "learning_rate": draw(st.sampled_from([0.003, 0.05])),
        "schedule": schedule,
        "warmup_steps": draw(st.integers(0, 5)),
        "decay_epochs": 0.5,
        "decay_patience": draw(st.integers(1, 2)),
        "weight_decay": draw(st.sampled_from([0.0, 0.1])),
        "grad_clip": draw(st.sampled_from([None, 0.5])),
        "loss_reduction": draw(st.sampled_from(["mean", "sum"])),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1])),
        "ema_decay": draw(st.sampled_from([None, 0.5, 0.9])),
        "restart_probability": draw(st.sampled_from([0.0, 0.3])),
        "patience": draw(st.none() | st.integers(1, 3)),
        "spike_threshold": None,
        "log_every": draw(st.integers(1, 7)),
        "seed": draw(st.integers(0, 2**32)),
    }
    evaluation = {
        "every_steps": draw(few),
        "every_seconds": None,
        "max_characters": draw(st.sampled_from([None, 30])),
        "batch_size": draw(st.integers(1, 4)),
        "probe_window": draw(st.sampled_from([None, 2])),
    }
    checkpoint = {"every_steps": draw(few), "every_seconds": None, "keep_every_steps": draw(few)}
    data = {"documents": draw(st.sampled_from(["none", "lines"]))}
    sections = {
        "data": data,
        "model": model,
        "training": training_values,
        "evaluation": evaluation,
        "checkpoint": checkpoint,
    }
    return validate_params(sections)


def documents(ids: Ids, batch_size: int, seq_length: int, seed: int = 0) -> Pieces:
    """Lay out `ids` as documents of 1 to 9 characters, each with an id before it that is only read."""
    starts, ends, start = [], [], 0
    while start + 10 < len(ids):
        starts.append(start)
        ends.append(start + 2 + start % 9)
        start = ends[-1]
    return Pieces(ids, np.array(starts), np.array(ends), batch_size, seq_length, CPU, seed)


class Trainee:
    """A training run that can be stopped and begun again by what a file holds."""

    def __init__(self, params: Params) -> None:
        self.params = params
        settings = params.training
        padding = VOCABULARY.stop_id if settings.padding else None
        self.streams: Windows = Streams(TRAIN_IDS, settings.batch_size, settings.seq_length, CPU, padding)
        self.val_streams: Windows = Streams(VAL_IDS, params.evaluation.batch_size, settings.seq_length, CPU)
        if params.data.has_documents:
            self.streams = documents(TRAIN_IDS, settings.batch_size, settings.seq_length, settings.seed)
            self.val_streams = documents(VAL_IDS, params.evaluation.batch_size, settings.seq_length)
        self.state = self.fresh_state()

    def fresh_state(self) -> TrainState:
        return new_state(self.params.model, self.params.training, VOCABULARY.size, self.streams.batch_size, CPU)

    def events(self, most: int | None = None) -> list[TrainEvent]:
        """Train for so many events; None for to the end."""
        return list(islice(train(self.state, self.streams, self.val_streams, self.params), most))

    def begin_again(self, path: Path) -> None:
        """Save everything, forget it, and load it."""
        save_checkpoint(path, checkpoint_of(self.state, self.params, VOCABULARY, "key", "run"))
        torch.manual_seed(12345)
        self.state = self.fresh_state()
        self.state.load_dict(load_checkpoint(path).state)


def rows(events: list[TrainEvent]) -> dict[str, Any]:
    """Return what the events tell, without times, and without Pause, which tells nothing."""
    found: dict[str, Any] = {}
    for event in events:
        if isinstance(event, Steps):
            for offset, figures in enumerate(zip(event.losses, event.grad_norms, event.learning_rates, strict=True)):
                found[f"step {event.first_step + offset}"] = figures
            found[f"epoch and progress after step {event.last_step}"] = (event.epoch, event.progress)
        elif isinstance(event, Evaluation):
            assert f"evaluation {event.step}" not in found
            found[f"evaluation {event.step}"] = dataclasses.replace(event, elapsed=0.0)
        elif isinstance(event, CheckpointDue):
            assert f"checkpoint {event.step}" not in found
            found[f"checkpoint {event.step}"] = event
    return found


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """More are slower for models this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.timeout(120 + 120 * FACTOR)
@settings(max_examples=50 * FACTOR, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(params=parameters(), stops=st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_stopping_at_any_events_changes_nothing(
    params: Params, stops: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a chance to stop after each window of an evaluation, and after each optimizer step."""
    monkeypatch.setattr(limits, "LONGEST_SILENCE", 0.0)
    whole = Trainee(params)
    expected = rows(whole.events())

    stopped = Trainee(params)
    events: list[TrainEvent] = []
    injected = 0
    with TemporaryDirectory() as folder:
        for stop in stops:
            some = stopped.events(stop)
            note(f"stopped at {some[-1] if some else 'the end'}")
            events += some
            stopped.begin_again(Path(folder) / "x.ckpt")
            injected += len(some) == stop
        events += stopped.events()
    found = rows(events)
    different = differences(found, expected)
    different += differences(dict(flat(stopped.state.to_dict())), dict(flat(whole.state.to_dict())))
    compared = len(found) + len(dict(flat(whole.state.to_dict())))
    record(
        "stop at an event of the training loop",
        injected=injected,
        survived=0 if different else injected,
        rows=compared,
        differences=len(different),
    )
    assert different == []


def test_a_stop_can_come_in_the_middle_of_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LONGEST_SILENCE", 0.0)
    values = {"training": {"max_steps": 2, "max_minutes": None}, "evaluation": {"batch_size": 1}}
    trainee = Trainee(validate_params(values))
    windows = trainee.val_streams.num_windows
    assert windows > 1
    assert [type(event) for event in trainee.events()] == [Steps, Steps, *[Pause] * windows, Evaluation, CheckpointDue]
