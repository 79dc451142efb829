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
        decays: decays that the plateau schedule has decided on so far.
    """

    progress: float
    epoch: float
    decays: int


def _cosine(params: TrainingParams, at: Point) -> float:
    """Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983, without restarts."""
    final = params.final_fraction
    return final + (1 - final) * (1 + math.cos(math.pi * min(at.progress, 1.0))) / 2


SCHEDULES: dict[str, Callable[[TrainingParams, Point], float]] = {
    "constant": lambda params, at: 1.0,
    "cosine": _cosine,
    "step": lambda params, at: params.decay_factor ** math.floor(at.epoch / params.decay_epochs),
    "plateau": lambda params, at: params.decay_factor**at.decays,
}
"""Name -> what the peak learning rate is multiplied with at a point of the training."""


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
    factor = SCHEDULES[params.schedule](params, Point(progress, epoch, decays))
    return params.learning_rate * factor * warmup
