"""What users of this project's peers lost when they went on with a training, and do not lose here."""

from pathlib import Path

import pytest

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.training.events import Evaluation, Steps, TrainEvent
from tests.faults.test_bit_exact import Trainee

Resumed = tuple[Trainee, list[TrainEvent]]


@pytest.fixture
def params() -> Params:
    texts = ["model.hidden_size=6", "model.embedding_size=4", "training.seq_length=10", "training.batch_size=4"]
    texts += ["training.max_steps=24", "training.max_minutes=null", "training.log_every=1", "training.threads=1"]
    texts += ["training.schedule=step", "training.decay_epochs=1", "evaluation.every_steps=4"]
    return load_params([], [*texts, "evaluation.every_seconds=null", "checkpoint.every_seconds=null"])


@pytest.fixture
def whole(params: Params) -> list[TrainEvent]:
    return Trainee(params).events()


@pytest.fixture
def resumed(params: Params, tmp_path: Path) -> Resumed:
    """A training that was stopped after some steps, and what it does when it goes on."""
    trainee = Trainee(params)
    trainee.events(13)
    assert trainee.state.progress.step > 8
    trainee.begin_again(tmp_path / "x.ckpt")
    return trainee, trainee.events()


def steps(events: list[TrainEvent]) -> list[Steps]:
    return [event for event in events if isinstance(event, Steps)]


def test_training_goes_on_from_a_checkpoint(whole: list[TrainEvent], resumed: Resumed) -> None:
    """Training was interrupted and could not be resumed: char-rnn #33, torch-rnn #33, textgenrnn #74, #205 and #212."""
    _, after = resumed
    assert [event.losses for event in steps(after)] == [event.losses for event in steps(whole)[-len(steps(after)) :]]


def test_steps_and_epochs_are_counted_on(whole: list[TrainEvent], resumed: Resumed) -> None:
    """After loading a checkpoint the counter began at 1 again: char-rnn #39, torch-rnn #72."""
    _, after = resumed
    assert steps(after)[0].first_step > 8
    assert (steps(after)[-1].last_step, steps(after)[-1].epoch) == (24, steps(whole)[-1].epoch)


def test_a_decayed_learning_rate_stays_decayed(whole: list[TrainEvent], resumed: Resumed) -> None:
    """The learning rate was back at its first value, the optimizer empty: char-rnn #137."""
    _, after = resumed
    rates = [rate for event in steps(after) for rate in event.learning_rates]
    assert rates == [rate for event in steps(whole) for rate in event.learning_rates][-len(rates) :]
    assert rates[0] < steps(whole)[0].learning_rates[0]


def test_the_place_in_the_text_is_kept(resumed: Resumed, params: Params) -> None:
    """Resuming read a large text from its beginning each time: torch-rnn #45."""
    trainee, _ = resumed
    windows = trainee.streams.num_windows
    at = trainee.state.progress
    assert (at.epoch, at.window) == (24 // windows, 24 % windows)


def test_nothing_is_evaluated_twice(whole: list[TrainEvent], resumed: Resumed) -> None:
    """What was saved together with an evaluation was evaluated, and sampled from, once more after loading it."""
    _, after = resumed
    expected = [event.step for event in whole if isinstance(event, Evaluation)]
    found = [event.step for event in after if isinstance(event, Evaluation)]
    assert found == [step for step in expected if step >= steps(after)[0].first_step]
