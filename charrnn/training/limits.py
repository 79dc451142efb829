"""What is due between two optimizer steps: a report, an evaluation, a checkpoint, the end.

Decided here and nowhere else, by pure functions of the parameters and of where training is.
"""

from dataclasses import dataclass

from charrnn.config.schema import EvaluationParams, Params, TrainingParams
from charrnn.training.state import Progress

# Longest time without an event (s), but for a single slow step or window: a stop takes effect at an event.
LONGEST_SILENCE = 1.0


@dataclass(frozen=True)
class Due:
    """What is due now; what comes first is done first.

    Attributes:
        report: the steps since the last report.
        evaluation: an evaluation.
        checkpoint: a checkpoint; `keep`: one that is kept for good.
        end: the end of training.
    """

    report: bool
    evaluation: bool
    checkpoint: bool
    keep: bool
    end: bool


def what_is_due(params: Params, at: Progress, num_windows: int, silence: float | None) -> Due:
    """Return what is due after step `at.step`.

    Args:
        params: training, evaluation and checkpoint sections are used.
        at: where training is.
        num_windows: windows in an epoch.
        silence: time since the first step that was not reported yet (s); None when all were.
    """
    checkpoints = params.checkpoint
    end = is_finished(params.training, at, num_windows)
    keep = checkpoints.keep_every_steps is not None and at.step % checkpoints.keep_every_steps == 0
    evaluation = end or _evaluation_is_due(params.evaluation, at)
    checkpoint = end or keep or _is_due(checkpoints.every_steps, checkpoints.every_seconds, at, at.checkpointed_at)
    report = silence is not None and (
        at.step % params.training.log_every == 0 or evaluation or checkpoint or is_too_long(silence)
    )
    return Due(
        report=report,
        evaluation=evaluation and at.step not in (0, at.evaluated_step),
        checkpoint=checkpoint and at.step not in (0, at.checkpointed_step),
        keep=keep,
        end=end,
    )


def is_too_long(silence: float) -> bool:
    """Whether the time without an event, `silence` (s), is too long."""
    return silence >= LONGEST_SILENCE


def is_finished(training: TrainingParams, at: Progress, num_windows: int) -> bool:
    """Whether any of epochs, max_steps, max_minutes and patience (early stopping) is reached."""
    total = total_steps(training, num_windows)
    return (
        (total is not None and at.step >= total)
        or (training.max_minutes is not None and at.elapsed >= 60 * training.max_minutes)
        or (training.patience is not None and at.evaluations_since_best >= training.patience)
    )


def is_limited_by_time(training: TrainingParams) -> bool:
    """Whether time ends the run and not a number of steps, so that how fast it is decides what it becomes."""
    return training.max_minutes is not None and training.max_steps is None and training.epochs is None


def total_steps(training: TrainingParams, num_windows: int) -> int | None:
    """Return the optimizer steps in the run, or None where only time or patience limits it."""
    limits = [training.max_steps, training.epochs and training.epochs * num_windows]
    return min((limit for limit in limits if limit), default=None)


def run_progress(training: TrainingParams, at: Progress, num_windows: int) -> float | None:
    """Return the share of the run that is done (0 to 1): by steps where their number is known, else by time.

    None where only patience limits it.
    """
    total = total_steps(training, num_windows)
    if total is not None:
        return min(1.0, at.step / total)
    if training.max_minutes is not None:
        return min(1.0, at.elapsed / (60 * training.max_minutes))
    return None


def _evaluation_is_due(evaluation: EvaluationParams, at: Progress) -> bool:
    affordable = at.evaluation_seconds <= evaluation.max_share * at.elapsed
    return _is_due(evaluation.every_steps, evaluation.every_seconds if affordable else None, at, at.evaluated_at)


def _is_due(every_steps: int | None, every_seconds: float | None, at: Progress, last: float) -> bool:
    by_steps = every_steps is not None and at.step % every_steps == 0
    return by_steps or (every_seconds is not None and at.elapsed - last >= every_seconds)
