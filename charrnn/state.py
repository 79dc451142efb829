"""TrainState: everything needed to go on exactly where training stopped.

Knows how it is made and turned into plain tensors and numbers; not when it is saved or where.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn

from charrnn.errors import CheckpointError
from charrnn.model import CharRNN, State
from charrnn.params import ModelParams, TrainingParams

SGD_MOMENTUM = 0.9


@dataclass
class Progress:
    """Where training is: plain numbers, each as it will be after a resume.

    Attributes:
        step: updates done.
        epoch: passes through the training text done.
        window: windows of this epoch done.
        elapsed: training time so far (s), evaluations included, pauses between sessions not.
        best_loss: lowest validation loss so far (nats per character); None before the first.
        best_step: the step of it.
        evaluations_since_best: evaluations without improvement; what patience counts.
        stale_evaluations: the same since the last decay; what plateau counts.
        decays: times plateau has lowered the rate.
        rollbacks: times training went back to a checkpoint because it diverged.
        rate_factor: what the schedule's rate is multiplied with; halved at each rollback.
        smooth_loss: running average of the training loss, against which a jump is seen; None before the first.
        probe_loss: the newest probe; None before the first.
        evaluated_step: step of the last evaluation, and evaluated_at its time (s of `elapsed`).
        checkpointed_step: step of the last checkpoint, and checkpointed_at its time (s of `elapsed`).
    """

    step: int = 0
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
    checkpointed_step: int = 0
    checkpointed_at: float = 0.0


@dataclass
class TrainState:
    """Weights, optimizer, weight average, hidden state, position and random state.

    Attributes:
        model: the weights being trained.
        average: the same with exponentially averaged weights, or None when `ema_decay` is null.
        optimizer: with its moments.
        hidden: the carried state of every stream.
        progress: where training is.
    """

    model: CharRNN
    average: CharRNN | None
    optimizer: torch.optim.Optimizer
    hidden: State
    progress: Progress = field(default_factory=Progress)

    @property
    def best_model(self) -> CharRNN:
        """The weights to evaluate and to sample from: the average where there is one."""
        return self.average if self.average is not None else self.model

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.decoder.weight.device

    def to_dict(self) -> dict[str, Any]:
        """Return tensors, numbers and texts only, on the CPU: what `torch.load(weights_only=True)` reads."""
        values: dict[str, Any] = {
            "model": _to_cpu(self.model.state_dict()),
            "average": _to_cpu(self.average.state_dict()) if self.average is not None else None,
            "optimizer": _to_cpu(self.optimizer.state_dict()),
            "hidden": _to_cpu(list(self.hidden)),
            "progress": {item.name: getattr(self.progress, item.name) for item in fields(self.progress)},
            "rng": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            values["cuda_rng"] = torch.cuda.get_rng_state(self.device)
        return values

    def load_dict(self, values: Mapping[str, Any]) -> None:
        """Take over what `to_dict` gave, random state included.

        Raises:
            CheckpointError: it belongs to a model or optimizer of another shape.
        """
        try:
            self.model.load_state_dict(values["model"])
            if self.average is not None:
                self.average.load_state_dict(values["average"] or values["model"])
            self.optimizer.load_state_dict(values["optimizer"])
            self.hidden = tuple(tensor.to(self.device) for tensor in values["hidden"])
            self.progress = Progress(**values["progress"])
            torch.set_rng_state(values["rng"])
            if self.device.type == "cuda" and "cuda_rng" in values:
                torch.cuda.set_rng_state(values["cuda_rng"], self.device)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(f"the checkpoint does not fit this model and optimizer: {reason}") from None


def new_state(
    model_params: ModelParams,
    training: TrainingParams,
    vocabulary_size: int,
    batch_size: int,
    device: torch.device,
) -> TrainState:
    """Return a fresh state: everything random in it comes from `training.seed`."""
    torch.manual_seed(training.seed)
    model = CharRNN(model_params, vocabulary_size).to(device)
    average = None
    if training.ema_decay is not None:
        average = copy.deepcopy(model).requires_grad_(False)
    return TrainState(model, average, make_optimizer(model, training), model.initial_state(batch_size))


def make_optimizer(model: nn.Module, params: TrainingParams) -> torch.optim.Optimizer:
    """Return the optimizer `params` ask for; its rate is set before every step."""
    parameters = list(model.parameters())
    rate, decay = params.learning_rate, params.weight_decay
    match params.optimizer:
        case "adam":
            return torch.optim.Adam(parameters, lr=rate, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
        case "sgd":
            return torch.optim.SGD(parameters, lr=rate, weight_decay=decay, momentum=SGD_MOMENTUM, fused=True)
        case "rmsprop":
            # Smoothing 0.95 as in char-rnn; PyTorch's 0.99 forgets the first steps too slowly.
            return torch.optim.RMSprop(parameters, lr=rate, weight_decay=decay, alpha=0.95)


def _to_cpu(value: Any) -> Any:
    """Copy every tensor in nested dicts and lists to the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _to_cpu(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_cpu(item) for item in value]
    return value
