"""When training has diverged: a loss or gradient that is not finite, or a loss that jumps."""

import math
from collections.abc import Sequence

from charrnn.config.schema import TrainingParams
from charrnn.errors import DivergedError
from charrnn.training.state import Progress

# Weight of the newest window in the running average of the loss: about the last 50 windows count.
SMOOTHING = 0.02


def find_divergence(
    losses: Sequence[float],
    grad_norms: Sequence[float],
    rates: Sequence[float],
    first_step: int,
    at: Progress,
    training: TrainingParams,
) -> tuple[int, DivergedError | None]:
    """Look for the first step that diverged, and note the running average of the losses before it in `at`.

    Args:
        losses: of steps in a row (nats per character).
        grad_norms: norms of their gradients before clipping.
        rates: their learning rates.
        first_step: number of the first.
        at: its `smooth_loss` goes on from step to step.
        training: `spike_threshold` says how far a loss may jump above the average; `grad_clip` is for the message.

    Returns:
        The number of good steps before it, all if none diverged; and the error for it.
    """
    for offset, (loss, grad_norm) in enumerate(zip(losses, grad_norms, strict=True)):
        average = loss if at.smooth_loss is None else at.smooth_loss
        spike = training.spike_threshold is not None and loss > average + training.spike_threshold
        if spike or not (math.isfinite(loss) and math.isfinite(grad_norm)):
            return offset, DivergedError(
                f"training diverged at step {first_step + offset}: loss {loss:.4g}, gradient norm {grad_norm:.4g} "
                f"after an average loss of {average:.4g}; lower training.learning_rate (now "
                f"{rates[offset]:.3g}) or training.grad_clip (now {training.grad_clip})",
                first_step + offset,
            )
        at.smooth_loss = average + SMOOTHING * (loss - average)
    return len(losses), None


def check_evaluation(loss: float, step: int) -> float:
    """Return `loss`, that of an evaluation after `step` (nats per character). Raises DivergedError if it is not finite.

    The step after it then counts as the one that diverged: the state of `step` is not to be kept.
    """
    if not math.isfinite(loss):
        raise DivergedError(f"training diverged at step {step}: validation loss {loss}", step + 1)
    return loss
