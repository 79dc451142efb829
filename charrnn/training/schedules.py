"""Learning-rate schedules, an entry each in one table; `TrainingParams.schedule` names them. Pure functions."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from charrnn.config.schema import TrainingParams


@dataclass(frozen=True)
class Point:
    """How far training is, as schedules see it.

    Attributes:
        progress: share of the run that is done, 0 to 1.
        epoch: passes through the training text done, in fractions.
        decays: decays so far, of a schedule that decays when evaluations bring no improvement.
    """

    progress: float
    epoch: float
    decays: int


def _cosine(params: TrainingParams, at: Point) -> float:
    """Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983, without restarts."""
    final = params.final_fraction
    return final + (1 - final) * (1 + math.cos(math.pi * min(at.progress, 1.0))) / 2


@dataclass(frozen=True)
class Schedule:
    """Everything about a schedule, except what it needs of other parameters: the schema says that.

    Attributes:
        factor: what the peak learning rate is multiplied with at a point of the training.
        decays_when_stale: whether `decay_patience` evaluations without improvement are a decay.
    """

    factor: Callable[[TrainingParams, Point], float]
    decays_when_stale: bool = False


SCHEDULES = {
    "constant": Schedule(lambda params, at: 1.0),
    "cosine": Schedule(_cosine),
    "step": Schedule(lambda params, at: params.decay_factor ** math.floor(at.epoch / params.decay_epochs)),
    "plateau": Schedule(lambda params, at: params.decay_factor**at.decays, decays_when_stale=True),
}


def learning_rate(params: TrainingParams, *, step: int, progress: float, epoch: float, decays: int) -> float:
    """Return the learning rate of one optimizer step.

    Args:
        params: the schedule and its settings.
        step: steps done before this one; what warm-up counts.
        progress: see `Point`, as the others.
        epoch: see `Point`.
        decays: see `Point`.
    """
    warmup = min(1.0, (step + 1) / params.warmup_steps) if params.warmup_steps else 1.0
    factor = SCHEDULES[params.schedule].factor(params, Point(progress, epoch, decays))
    return params.learning_rate * factor * warmup
