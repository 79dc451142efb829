"""TrainState: everything that is needed to go on exactly where training stopped.

Makes it, turns it into plain tensors and values, and restores it from them. Does not know when or where it is saved.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from torch import Tensor

from charrnn.config.schema import ModelParams, TrainingParams
from charrnn.config.types import ThreadCount
from charrnn.errors import CheckpointError
from charrnn.model.char_rnn import CharRNN, State
from charrnn.training.device import describe_device
from charrnn.training.optimizers import make_optimizer
from charrnn.training.ranks import Order, Ordered, Ranks
from charrnn.training.schedules import SCHEDULES
from charrnn.training.state_tensors import pack, unpack


@dataclass
class Progress:
    """Where training is: plain values, all of which a checkpoint keeps.

    Attributes:
        step: optimizer steps done.
        characters: predictions that those steps were made from that are reported, so at each event all of them.
        threads: CPU threads that steps are made with; None before the first.
        epoch: passes through the training text done.
        window: windows of this epoch done.
        elapsed: training time so far (s), evaluations included, pauses between sessions not.
        best_loss: lowest validation loss so far (nats per character); None before the first.
        best_step: the step of it.
        evaluations_since_best: evaluations without improvement; what patience counts.
        stale_evaluations: the same since the last decay; what plateau counts.
        decays: times that plateau has lowered the learning rate.
        rollbacks: times training went back to a checkpoint because it diverged.
        rate_factor: what the schedule's learning rate is multiplied with; halved at each rollback.
        smooth_loss: running average of the training loss, against which a jump is seen; None before the first.
        probe_loss: the newest probe; None before the first.
        evaluated_step: step of the last evaluation, and evaluated_at its time (s of `elapsed`).
        evaluation_seconds: what all evaluations took, with what the caller did at their events (s).
        checkpointed_step: step of the last checkpoint, and checkpointed_at its time (s of `elapsed`).
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    step: int = 0
    characters: int = 0
    threads: ThreadCount | None = None
    epoch: int = 0
    window: int = 0
    elapsed: float = 0.0
    best_loss: float | None = None
    best_step: int | None = None
    evaluations_since_best: int = 0
    stale_evaluations: int = 0
    decays: int = 0
    rollbacks: int = 0
    rate_factor: float = 1.0
    smooth_loss: float | None = None
    probe_loss: float | None = None
    evaluated_step: int = 0
    evaluated_at: float = 0.0
    evaluation_seconds: float = 0.0
    checkpointed_step: int = 0
    checkpointed_at: float = 0.0

    def note_evaluation(self, loss: float | None, training: TrainingParams) -> bool:
        """Take note of an evaluation after `step`, for the best so far, for patience, and for the plateau schedule.

        Args:
            loss: on the validation split (nats per character); None without one, where the latest is the best.
            training: `schedule` and `decay_patience` are used.

        Returns:
            Whether it is the best so far.
        """
        improved = loss is None or self.best_loss is None or loss < self.best_loss
        self.evaluations_since_best = 0 if improved else self.evaluations_since_best + 1
        self.stale_evaluations = 0 if improved else self.stale_evaluations + 1
        if improved:
            self.best_loss, self.best_step = loss, self.step
        decays = SCHEDULES[training.schedule].decays_when_stale
        if decays and self.stale_evaluations >= training.decay_patience:
            self.decays, self.stale_evaluations = self.decays + 1, 0
        return improved


@dataclass
class TrainState:
    """Weights, optimizer, weight average, hidden state, position and random state.

    Attributes:
        model: the weights being trained.
        average: the exponential moving average of the weights, as a model; None when `ema_decay` is null.
        optimizer: with its moments.
        hidden: the carried state of every stream of this process.
        progress: where training is.
        streams: of all processes (count).
        ranks: this process and the others, where several train; None for one. Everything but `hidden` is the same in
            all of them.
    """

    model: CharRNN
    average: CharRNN | None
    optimizer: torch.optim.Optimizer
    hidden: State
    progress: Progress = field(default_factory=Progress)
    ranks: Ranks | None = None

    def __post_init__(self) -> None:
        """Begin with the streams that there is a hidden state for."""
        self.streams = self.hidden[0].shape[1]

    @property
    def share(self) -> slice:
        """Which of the streams are this process's."""
        return slice(0, self.streams) if self.ranks is None else self.ranks.share(self.streams)

    @property
    def computed_on(self) -> str:
        """What steps are made on, in words: other words may mean other results in the last bits."""
        device = describe_device(self.device)
        return device if self.ranks is None else f"{device}, {self.ranks.size} processes"

    def join(self, ranks: Ranks) -> None:
        """From now on train on a share of the streams, the other processes on the rest.

        On rank 0, `to_dict` gathers from then on what the others have, and what is loaded is sent to them. A new state
        is the same on all ranks.
        """
        self.ranks = ranks
        self.hidden = tuple(part[:, self.share] for part in self.hidden)
        self.model.share_streams(self.share, self.streams)

    @property
    def best_model(self) -> CharRNN:
        """The weights to evaluate and to sample from: the average where there is one."""
        return self.average if self.average is not None else self.model

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.decoder.weight.device

    def to_dict(self) -> dict[str, Any]:
        """Return nested dicts and lists of tensors, numbers and texts, copied to the CPU; see `StateValues`.

        Raises:
            RankError: another process, which has a part of the hidden state, does not answer.
        """
        values: dict[str, Any] = {
            "model": _to_cpu(self.model.state_dict()),
            "average": _to_cpu(self.average.state_dict()) if self.average is not None else None,
            "optimizer": _to_cpu(self.optimizer.state_dict()),
            "hidden": _to_cpu(self._whole_hidden()),
            "progress": asdict(self.progress),
            "rng": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            values["cuda_rng"] = torch.cuda.get_rng_state(self.device)
        return values

    def load_dict(self, values: Mapping[str, Any]) -> None:
        """Take over what `to_dict` gave, random state included; training on does not change `values`.

        All is compared before any is taken over: what does not fit leaves the state as it was.

        Raises:
            CheckpointError: it belongs to another model, optimizer or number of streams, or is damaged.
            RankError: another process does not answer.
        """
        try:
            found = StateValues.model_validate(values)
        except ValidationError as error:
            raise CheckpointError(f"the training state is damaged: {first_problem(error)}") from None
        average = found.average or found.model
        check_weights(self.model, found.model)
        check_weights(self.model, average)
        _check_hidden(self.model.initial_state(self.streams), found.hidden)
        _check_optimizer(self.optimizer, found.optimizer)
        self.model.load_state_dict(found.model)
        if self.average is not None:
            self.average.load_state_dict(average)
        # PyTorch would take over the tensors themselves.
        moments = copy.deepcopy(found.optimizer.state)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        # Set before every step; taken over so that a state saved before the next one is the same.
        self.optimizer.param_groups[0]["lr"] = found.optimizer.param_groups[0].get("lr")
        self.hidden = tuple(tensor[:, self.share].to(self.device) for tensor in found.hidden)
        self.progress = found.progress
        torch.set_rng_state(found.rng)
        if self.device.type == "cuda" and found.cuda_rng is not None:
            torch.cuda.set_rng_state(found.cuda_rng, self.device)
        self._send(values)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Start from `weights`, the average too; everything else stays as it is. Raises RankError."""
        self.model.load_state_dict(weights)
        if self.average is not None:
            self.average.load_state_dict(weights)
        if self.ranks is not None:
            self._send(self.to_dict())

    def send_hidden(self) -> None:
        """Send rank 0, which has ordered it, the hidden state of this process's streams. Raises RankError."""
        assert self.ranks is not None
        self.ranks.gather(self.hidden, self.streams)

    def take_over(self) -> None:
        """Take over what rank 0 has loaded. Raises RankError."""
        assert self.ranks is not None
        self.load_dict(unpack(self.ranks.hear()))

    def _whole_hidden(self) -> list[Tensor]:
        """Return the hidden state of the streams of all processes."""
        if self.ranks is None:
            return list(self.hidden)
        self.ranks.order(Ordered(Order.GATHER))
        return self.ranks.gather(self.hidden, self.streams)

    def _send(self, values: Mapping[str, Any]) -> None:
        """Send what was loaded here to the other processes, from rank 0."""
        if self.ranks is not None and self.ranks.rank == 0:
            self.ranks.order(Ordered(Order.TAKE_OVER))
            self.ranks.tell(pack(values))


class OptimizerValues(BaseModel):
    """What PyTorch's optimizers give: moments by the number of the weight, and one group of settings."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    state: dict[int, dict[str, Tensor]]
    param_groups: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1)]


class StateValues(BaseModel):
    """What `TrainState.to_dict` gives, as a schema; whether it fits a model is for `load_dict` to say."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: dict[str, Tensor]
    average: dict[str, Tensor] | None
    optimizer: OptimizerValues
    hidden: list[Tensor]
    progress: Progress
    rng: Tensor
    cuda_rng: Tensor | None = None

    @field_validator("progress")
    @classmethod
    def _not_negative(cls, progress: Progress) -> Progress:
        for name, value in asdict(progress).items():
            if value is not None and not value >= 0:
                raise ValueError(f"{name} must be >= 0, got {value}")
        return progress

    @field_validator("rng")
    @classmethod
    def _random_state(cls, rng: Tensor) -> Tensor:
        try:
            torch.Generator().set_state(rng)
        except (RuntimeError, TypeError):
            raise ValueError("must be a random state of PyTorch") from None
        return rng


def first_problem(error: ValidationError) -> str:
    """Return the first of pydantic's complaints in one line, with the place of what it is about."""
    problem = error.errors()[0]
    return " ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}".split())


def check_weights(model: CharRNN, weights: Mapping[str, Tensor]) -> None:
    """Check that `weights` have the names and shapes of `model`'s, which may be on the meta device.

    Raises:
        CheckpointError: names the first tensor that is missing, unknown or of another shape.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name, tensor in weights.items():
        if not tensor.is_floating_point():
            raise CheckpointError(f"the checkpoint does not fit the model: {name} is of {tensor.dtype}")
    for name in [*expected, *found]:
        if expected.get(name) != found.get(name):
            raise CheckpointError(
                f"the checkpoint does not fit the model: {name} is {found.get(name, 'missing')} in the checkpoint, "
                f"{expected.get(name, 'not there')} in the model"
            )


def _check_hidden(expected: Sequence[Tensor], found: Sequence[Tensor]) -> None:
    ours, theirs = ([tuple(tensor.shape) for tensor in state] for state in (expected, found))
    if ours != theirs:
        raise CheckpointError(
            f"the checkpoint does not fit the streams: its hidden state is {theirs}, here it must be {ours}"
        )


def _check_optimizer(optimizer: torch.optim.Optimizer, values: OptimizerValues) -> None:
    """Compare settings and shapes. PyTorch compares counts only: adamw given adam's values would be adam."""
    (ours,), (theirs,) = _to_cpu(optimizer.state_dict())["param_groups"], values.param_groups
    for name, value in theirs.items():
        # The rate is set before every step.
        if name != "lr" and repr(value) != repr(ours.get(name)):
            raise CheckpointError(
                f"the checkpoint does not fit the optimizer: {name} is {value} in the checkpoint, "
                f"{ours.get(name, 'not there')} here"
            )
    shapes = dict(enumerate(tuple(weights.shape) for weights in optimizer.param_groups[0]["params"]))
    for number, moments in values.state.items():
        for name, value in moments.items():
            if value.dim() and tuple(value.shape) != shapes.get(number):
                raise CheckpointError(
                    f"the checkpoint does not fit the optimizer: {name} of tensor {number} is {tuple(value.shape)} in "
                    f"the checkpoint, {shapes.get(number, 'not there')} in the model"
                )


def new_state(
    model_params: ModelParams,
    training: TrainingParams,
    vocabulary_size: int,
    batch_size: int,
    device: torch.device,
) -> TrainState:
    """Return a state before the first step: everything random in it comes from `training.seed`.

    Args:
        model_params: the model's shape.
        training: optimizer, exponential moving average and random seed are used.
        vocabulary_size: ids, that of the stop symbol included.
        batch_size: streams (count).
        device: where the weights are to be.
    """
    torch.manual_seed(training.seed)
    model = CharRNN(model_params, vocabulary_size).to(device)
    average = None
    if training.ema_decay is not None:
        average = copy.deepcopy(model).requires_grad_(False)
        average.flatten_parameters()
    return TrainState(model, average, make_optimizer(model, training), model.initial_state(batch_size))


def _to_cpu(value: Any) -> Any:
    """Copy every tensor in nested dicts and lists to the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _to_cpu(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_cpu(item) for item in value]
    return value
