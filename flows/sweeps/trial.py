"""One trial from its start to its outcome: started, watched, ended early, gone on with. Knows no Optuna, no MLflow.

A trial is an ordinary run of the pipeline that knows nothing of the sweep. The sweep reads its evaluations from the
tracking store, wherever the trial runs.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flows.sweeps.children import Children, Evaluated
from flows.sweeps.launched import Ended, Launched, Launcher
from flows.sweeps.patience import Stopping
from flows.sweeps.study import PARTS, Outcome
from tasks.tracking.runs import RunRef

logger = logging.getLogger("charrnn")

# Time between two looks at a trial (s).
LOOK_SECONDS = 0.5

# Of a trial whose process has ended as it should.
NOT_ENDED = "its run has no end in MLflow: what it recorded last may wait on its machine, for charrnn sync"

Report = Callable[[int, float], bool]
"""Takes the part of the run that is over and the loss after it; returns whether the trial should end."""


@dataclass(frozen=True)
class Surroundings:
    """What the trials of a sweep share.

    Attributes:
        children: their runs.
        launcher: starts them.
        stopping: is set when the sweep is to end; trials are then stopped, and stay without an outcome.
        recoveries: times that one whose process died goes on.
    """

    children: Children
    launcher: Launcher
    stopping: Stopping
    recoveries: int


def run_trial(
    around: Surroundings, trial: str, overrides: Sequence[str], report: Report
) -> tuple[RunRef | None, Outcome | None]:
    """Bring a trial to its outcome, from wherever it was left.

    Args:
        around: what it shares with others.
        trial: its number, or `best-` and that of the best trial.
        overrides: its parameters.
        report: is told each evaluation.

    Returns:
        Its run, None where it did not come to one; its outcome, None where the sweep was stopped before.

    Raises:
        TrackingError: a store was away for long.
    """
    if not around.launcher.is_settled(trial):
        logger.info("trial %-4s waits for the end of its process of before", trial)
    while not around.launcher.is_settled(trial):
        if around.stopping.is_set():
            return around.children.find(trial), None
        time.sleep(LOOK_SECONDS)
    run, deaths = around.children.find(trial), 0
    while True:
        if run is not None and around.children.status(run) == "FINISHED":
            return run, _finished(around.children.evaluations(run), report)
        if around.stopping.is_set():
            return run, None
        launched = around.launcher.launch(trial, overrides, run.run_id if run else None)
        ended, pruned = _watch(around, launched, trial, report)
        run = around.children.find(trial)
        if run is None and not ended.died and not around.stopping.is_set():
            return None, Outcome("failed", reason=ended.reason)
        if run is not None and around.children.status(run) == "FINISHED":
            continue
        if pruned:
            losses = [one.loss for one in around.children.evaluations(run)] if run else []
            return run, Outcome("pruned", min(losses, default=None))
        if around.stopping.is_set():
            return run, None
        deaths += 1
        reason = ended.reason or (around.children.error(run) if run else "") or NOT_ENDED
        if not ended.died or deaths > around.recoveries:
            again = f", {deaths} times in a row" if ended.died and deaths > 1 else ""
            return run, Outcome("failed", reason=reason + again)
        logger.warning("trial %-4s %s; it goes on (%d of at most %d times)", trial, reason, deaths, around.recoveries)


def _finished(evaluations: Sequence[Evaluated], report: Report) -> Outcome:
    _tell(evaluations, set(), report)
    losses = [one.loss for one in evaluations]
    return Outcome("finished", min(losses)) if losses else Outcome("failed", reason="it has no val/loss")


def _watch(around: Surroundings, launched: Launched, trial: str, report: Report) -> tuple[Ended, bool]:
    """Wait for the end of what was launched; return how it ended, and whether it was ended early."""
    told: set[int] = set()
    pruned, run = False, None
    try:
        while (ended := launched.poll()) is None:
            if around.stopping.is_set():
                launched.stop()
            elif not pruned:
                run = run or around.children.find(trial)
                if run is not None and _tell(around.children.evaluations(run), told, report):
                    pruned = True
                    launched.stop()
            time.sleep(LOOK_SECONDS)
    except Exception:  # of any kind: else what was launched would run on with nobody to follow it
        launched.stop()
        while launched.poll() is None:
            time.sleep(LOOK_SECONDS)
        raise
    return ended, pruned


def _tell(evaluations: Sequence[Evaluated], told: set[int], report: Report) -> bool:
    """Report evaluations that are new, the first in each part of the run; return whether the trial should end."""
    for one in evaluations:
        part = min(PARTS, math.ceil(round(one.progress * PARTS, 6)))
        if part and part not in told:
            told.add(part)
            if report(part, one.loss):
                return True
    return False
