import logging
from collections.abc import Callable

import numpy as np
import pytest
import torch

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.streams import Streams
from charrnn.training import loop
from charrnn.training.events import Steps
from charrnn.training.graphs import WARM_UP, GraphedSteps, computation_for
from charrnn.training.loop import train
from charrnn.training.state import TrainState, new_state
from charrnn.training.step import Compute, compute

CPU = torch.device("cpu")
IDS = np.random.default_rng(0).integers(0, 8, 300).astype(np.uint8)
# Seven whole windows of 10 and one of 4 in an epoch.
STREAMS = Streams(IDS, 4, 10, CPU)


class Recorder:
    """Stands in for CUDA: what it records is computed again at each replay, on the same tensors."""

    def __init__(self, state: TrainState) -> None:
        self.state, self.recorded, self.replayed = state, 0, 0
        self.rate: torch.Tensor | None = None
        self.seen: list[tuple[float, float]] = []

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        (group,) = self.state.optimizer.param_groups
        self.recorded += 1
        self.rate, capturable = group["lr"], group["capturable"]
        assert capturable

        def replay() -> None:
            self.replayed += 1
            assert self.rate is not None
            self.seen.append((float(self.rate), group["lr"]))
            run()

        return replay


def params_for(*overrides: str) -> Params:
    texts = ["model.hidden_size=6", "model.embedding_size=4", "model.num_layers=2", "model.dropout=0.2"]
    texts += ["training.seq_length=10", "training.batch_size=4", "training.max_steps=24", "training.max_minutes=null"]
    texts += ["training.precision=float32", "training.log_every=5", "training.restart_probability=0.2"]
    return load_params([], [*texts, *overrides])


def fresh(params: Params) -> TrainState:
    return new_state(params.model, params.training, 9, 4, CPU)


def losses(state: TrainState, params: Params, computation: Compute, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setattr(loop, "computation_for", lambda *_: computation)
    events = [event for event in train(state, STREAMS, None, params) if isinstance(event, Steps)]
    return [loss for event in events for loss in (*event.losses, *event.grad_norms)]


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_steps_that_are_replayed_are_those_that_are_computed(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    params = params_for(f"training.optimizer={optimizer}")
    plain, graphed = fresh(params), fresh(params)
    expected = losses(plain, params, compute, monkeypatch)
    recorder = Recorder(graphed := fresh(params))
    found = losses(graphed, params, GraphedSteps((10, 4), recorder), monkeypatch)
    assert found == expected
    # 24 steps are three epochs, of which each has a short window.
    assert (recorder.recorded, recorder.replayed) == (1, 24 - 3 - WARM_UP)
    for name, weight in plain.model.state_dict().items():
        assert torch.equal(weight, graphed.model.state_dict()[name]), name
    for part, other in zip(plain.hidden, graphed.hidden, strict=True):
        assert torch.equal(part, other)


def test_a_replayed_step_has_its_own_learning_rate_and_a_checkpoint_none_of_the_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    params = params_for("training.schedule=cosine")
    state = fresh(params)
    recorder = Recorder(state)
    losses(state, params, GraphedSteps((10, 4), recorder), monkeypatch)
    given, set_ = zip(*recorder.seen, strict=True)
    assert given == pytest.approx(set_, rel=1e-6)
    assert len(set(given)) == len(given), "the schedule goes on"
    (group,) = state.to_dict()["optimizer"]["param_groups"]
    assert isinstance(group["lr"], float)
    assert group["capturable"] is False


def test_a_step_that_cannot_be_captured_is_computed_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    params = params_for()
    expected = losses(fresh(params), params, compute, monkeypatch)

    def refuse(run: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")

    found = losses(fresh(params), params, GraphedSteps((10, 4), refuse), monkeypatch)
    assert found == expected
    (message,) = caplog.messages
    assert message == "warning   goes on without CUDA graphs: operation not permitted when stream is capturing"


def test_memory_that_runs_out_during_a_capture_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(run: Callable[[], None]) -> Callable[[], None]:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        losses(fresh(params_for()), params_for(), GraphedSteps((10, 4), refuse), monkeypatch)


class OnGPU(TrainState):
    """A state that says it is on a GPU."""

    @property
    def device(self) -> torch.device:
        return torch.device("cuda")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("training.optimizer=adam", None),
        ("training.optimizer=adamw", None),
        ("training.cuda_graphs=false", ""),
        ("training.optimizer=sgd", "PyTorch's SGD cannot be captured"),
        ("training.optimizer=rmsprop", "PyTorch's RMSprop cannot be captured"),
    ],
)
def test_graphs_are_used_on_a_gpu_where_the_optimizer_can_be_captured_else_the_reason_is_logged(
    change: str, reason: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    params = params_for(change)
    state = fresh(params)
    assert computation_for(state, STREAMS, params.training) is compute, "never on a CPU"
    assert not caplog.messages
    state.__class__ = OnGPU
    with caplog.at_level(logging.INFO, logger="charrnn"):
        chosen = computation_for(state, STREAMS, params.training)
    assert isinstance(chosen, GraphedSteps) == (reason is None)
    assert [bool(reason) and str(reason) in message for message in caplog.messages] == ([True] if reason else [])
