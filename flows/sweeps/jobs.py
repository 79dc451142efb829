"""Trials side by side, each a Prefect task that waits for what it has started; their outcomes come in one by one."""

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.states import Completed, Failed

from charrnn.config.space import Scalar
from charrnn.stopping import StopRequest
from flows.sweeps.study import Outcome
from flows.sweeps.trial import Report, Surroundings, run_trial
from tasks.tracking.runs import RunRef

# How often the flow looks whether it is asked to stop (s).
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Job:
    """A trial that is to be run.

    Attributes:
        trial: its number, or `best-` and that of the best trial.
        values: what was chosen for it, which Prefect's page shows.
        overrides: its parameters.
        report: is told each evaluation.
    """

    trial: str
    values: dict[str, Scalar]
    overrides: list[str]
    report: Report


Ended = Callable[[Job, RunRef | None, Outcome], None]
"""Is told the run of a trial, None where it did not come to one, and its outcome."""


def run_jobs(
    next_job: Callable[[], Job | None], workers: int, around: Surroundings, stop: StopRequest, ended: Ended
) -> None:
    """Run trials, `workers` at a time, until there is no next one. To be called in a flow.

    Raises:
        KeyboardInterrupt, TerminationSignal: a stop was asked for; what ran was stopped, and can go on.
        Exception: what a trial or `ended` raised first; what ran was stopped.
    """
    done: queue.Queue[tuple[Job, RunRef | None, Outcome | None] | Exception] = queue.Queue()

    @task(name="trial", task_run_name="trial {trial}", cache_policy=NO_CACHE, persist_result=False)
    def run(trial: str, values: dict[str, Any]) -> State[Any]:
        job = jobs[trial]
        try:
            found, outcome = run_trial(around, job.trial, job.overrides, job.report)
        except Exception as error:  # of any kind: else nobody would know that the trial is over
            done.put(error)
            return Failed(message=str(error))
        done.put((job, found, outcome))
        return _state(outcome)

    jobs: dict[str, Job] = {}
    problem: Exception | None = None
    running = 0
    try:
        while True:
            if problem:
                around.stopping.set()
            while not around.stopping.is_set() and running < workers and (job := next_job()):
                jobs[job.trial] = job
                run.submit(job.trial, job.values)
                running += 1
            if not running:
                break
            try:
                result = done.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            running -= 1
            try:
                if isinstance(result, Exception):
                    raise result
                finished, found, outcome = result
                if outcome is not None:
                    ended(finished, found, outcome)
            except Exception as error:
                problem = problem or error
    finally:
        around.stopping.set()
    stop.raise_if_requested(TerminationSignal)
    if problem:
        raise problem
    around.stopping.clear()


def _state(outcome: Outcome | None) -> State[Any]:
    """Return what Prefect's page says of a trial."""
    if outcome is None:
        return Completed(name="Stopped", message="goes on when the sweep does")
    if outcome.state == "failed":
        return Failed(message=outcome.reason)
    return Completed(name=outcome.state.capitalize(), message=f"val/loss {outcome.loss}")
