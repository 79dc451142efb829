from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from charrnn.checkpoint import checkpoint_of, load_checkpoint, save_checkpoint
from charrnn.param_files import load_params
from charrnn.params import Params
from charrnn.state import TrainState, new_state
from charrnn.streams import Streams
from charrnn.training import Evaluation, Steps, TrainEvent, train
from charrnn.vocabulary import Vocabulary

VOCABULARY = Vocabulary("abcdefgh", (1,) * 8, tuple(range(8)))
IDS = np.random.default_rng(0).integers(0, 8, 403).astype(np.uint8)
CPU = torch.device("cpu")


def params_for(cell: str, optimizer: str, schedule: str) -> Params:
    texts = [f"model.cell={cell}", f"training.optimizer={optimizer}", f"training.schedule={schedule}"]
    texts += ["model.hidden_size=6", "model.num_layers=2", "model.embedding_size=4", "model.dropout=0.2"]
    texts += ["training.seq_length=10", "training.batch_size=4", "training.max_steps=25", "training.max_minutes=null"]
    texts += ["training.log_every=3", "training.patience=20", "evaluation.every_steps=5", "checkpoint.every_steps=7"]
    return load_params([], [*texts, "evaluation.every_seconds=null", "checkpoint.every_seconds=null"])


def start(params: Params) -> tuple[TrainState, Streams, Streams]:
    streams, val = Streams(IDS[:300], 4, 10, CPU), Streams(IDS[300:], 2, 10, CPU)
    return new_state(params.model, params.training, VOCABULARY.size, 4, CPU), streams, val


def figures(events: list[TrainEvent]) -> tuple[list[float], list[tuple[int, float | None]]]:
    losses = [loss for event in events if isinstance(event, Steps) for loss in event.losses]
    return losses, [(event.step, event.loss) for event in events if isinstance(event, Evaluation)]


@pytest.mark.parametrize("stop_after", [1, 4, 8, 11])
@pytest.mark.parametrize(
    ("cell", "optimizer", "schedule"),
    [("lstm", "adam", "cosine"), ("gru", "sgd", "plateau"), ("rnn", "rmsprop", "step"), ("lstm", "adamw", "constant")],
)
def test_resuming_gives_the_same_curve_and_weights(
    cell: str, optimizer: str, schedule: str, stop_after: int, tmp_path: Path
) -> None:
    params = params_for(cell, optimizer, schedule)
    whole, streams, val = start(params)
    expected = list(train(whole, streams, val, params))

    stopped, streams, val = start(params)
    events = list(islice(train(stopped, streams, val, params), stop_after))
    save_checkpoint(tmp_path / "x", checkpoint_of(stopped, params, VOCABULARY, "key", "run"))
    torch.manual_seed(12345)
    resumed, streams, val = start(params)
    resumed.load_dict(load_checkpoint(tmp_path / "x").state)
    events += train(resumed, streams, val, params)

    assert figures(events) == figures(expected)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor)
        assert torch.equal(resumed.best_model.state_dict()[name], whole.best_model.state_dict()[name])


def test_steps_are_numbered_without_a_gap() -> None:
    params = params_for("lstm", "adam", "cosine")
    events = [event for event in train(*start(params), params) if isinstance(event, Steps)]
    numbers = [step for event in events for step in range(event.first_step, event.last_step + 1)]
    assert numbers == list(range(1, 26))


def test_evaluating_does_not_change_the_curve() -> None:
    params = params_for("lstm", "adam", "cosine")
    often = params.model_copy(update={"evaluation": params.evaluation.model_copy(update={"every_steps": 1})})
    assert figures(list(train(*start(params), params)))[0] == figures(list(train(*start(often), often)))[0]
