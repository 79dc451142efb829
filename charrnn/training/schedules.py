"""The learning rate as a pure function of how far training is."""

import math

from charrnn.config.schema import TrainingParams


def learning_rate(params: TrainingParams, *, step: int, progress: float, epoch: float, decays: int) -> float:
    """Return the rate of one update.

    Args:
        params: the schedule and its numbers.
        step: updates done before this one.
        progress: share of the run that is done, 0 to 1; what cosine follows (Loshchilov & Hutter 2017,
            https://arxiv.org/abs/1608.03983, without restarts).
        epoch: passes through the training text done, in fractions; what step follows.
        decays: decays that plateau has decided on so far.
    """
    factor = 1.0
    if params.schedule == "cosine":
        final = params.final_fraction
        factor = final + (1 - final) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    elif params.schedule == "step":
        factor = params.decay_factor ** math.floor(epoch / params.decay_epochs)
    elif params.schedule == "plateau":
        factor = params.decay_factor**decays
    warmup = min(1.0, (step + 1) / params.warmup_steps) if params.warmup_steps else 1.0
    return params.learning_rate * factor * warmup
