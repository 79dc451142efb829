"""The flow `sweep`: many runs of the pipeline with other values of some parameters, chosen by what came of others.

`charrnn sweep`, or this file as a script, runs it here; the deployment `sweep/manual` runs the flow.
"""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

# As a script, Python puts flows/ on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if __name__ == "__main__":
    # Before the imports below, which take seconds: the command makes them once its arguments are checked.
    from flows.cli.entry import script

    script("sweep")

from prefect import flow
from prefect.exceptions import TerminationSignal
from prefect.settings import PREFECT_API_URL

from charrnn.config.handing_on import as_overrides
from charrnn.config.loading import load_params
from charrnn.config.redaction import redact
from charrnn.config.schema import Params
from charrnn.config.space import in_words
from charrnn.errors import ParamsError, TrackingError
from charrnn.stopping import StopRequest, signals_noted, stop_requests
from charrnn.training.cores import usable_cores
from charrnn.undecodable import original
from flows.artifacts import leave_page
from flows.ending import ending
from flows.servers.temporary_server import is_temporary
from flows.sweeps.board import Board, described, tally
from flows.sweeps.children import Children
from flows.sweeps.deployed import DeployedLauncher, Server
from flows.sweeps.jobs import Job, run_jobs
from flows.sweeps.launched import Launcher
from flows.sweeps.local import LocalLauncher
from flows.sweeps.patience import AwayError, Stopping
from flows.sweeps.plan import Plan, best_of, check_plan, check_workers, read_plan, thread_share
from flows.sweeps.record import find_sweep, held, record_plan, recorded_plan, recorded_storage, sweep_tags
from flows.sweeps.storage import given_storage, study_address
from flows.sweeps.study import Chosen, Outcome, Study, check_storage
from flows.sweeps.trial import Surroundings
from tasks.tracking.mlflow import Experiment, run_version
from tasks.tracking.runs import ModelVersion, RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")


@dataclass(frozen=True)
class Swept:
    """What came of a sweep.

    Attributes:
        run: of the sweep.
        trials: how many there are, and of each kind, in words.
        best: the best trial; None where none has finished.
        loss: its lowest validation loss (nats per character).
        registered: the run that was trained with its values and registered; None where none was.
        version: the version that was registered; None where none was, or the store was away.
        seconds: how long this process was at it (s).
    """

    run: RunRef
    trials: str
    best: Chosen | None
    loss: float | None
    registered: RunRef | None
    version: ModelVersion | None
    seconds: float


@flow(name="sweep")
def sweep(
    space: str | None = None,
    trials: int | None = None,
    workers: int = 1,
    pruner: str | None = None,
    register_best: bool = False,
    resume: str | None = None,
    storage: str | None = None,
    overlays: list[str] | None = None,
    overrides: list[str] | None = None,
) -> Swept:
    """Try values of some parameters in many trials, each an ordinary run, and say which are best.

    Args:
        space: the file that says which values are tried, such as params/sweep.yaml.
        trials: how many there are to be in all; 20 where it is not given.
        workers: trials at a time.
        pruner: what ends trials early: median, hyperband, halving or none; median where it is not given, or what did so
            in the sweep that goes on.
        register_best: train with the best values once more, with the full time, and register the model.
        resume: the id of a sweep's run to go on with, or last.
        storage: the database of the study, where it is not to be in the store of the runs; with credentials, it is
            named by the environment variable CHARRNN_SWEEP_STORAGE.
        overlays: parameter files merged over params.yaml, in order.
        overrides: single parameters.
    """
    started = time.monotonic()
    with signals_noted(TerminationSignal) as noted:
        files, changes = ([original(text) for text in texts or []] for texts in (overlays, overrides))
        check_workers(workers)
        run = None
        if resume is None:
            plan = read_plan(space, files, changes, trials=trials, pruner=pruner, register=register_best)
        else:
            params = load_params(files, changes)
            run = find_sweep(Experiment(params.tracking, params.data), resume)
            plan = recorded_plan(run, params, files, changes, space, trials, pruner)
            check_plan(plan, register=register_best)
        experiment = Experiment(plan.base.tracking, plan.base.data)
        address = study_address(storage, experiment.store.uri, experiment.data)
        if run is not None:
            address = recorded_storage(run, address, given=given_storage(storage) is not None)
        with stop_requests(overlooked=True) as stop:  # a stop waits until it is known which run it stops
            experiment.open()  # so that its tables are known to be those of MLflow
            with _stops_first(stop):
                check_storage(address, Stopping(stop))
            run = run or experiment.start_run(plan.base.tracking.run_name or "sweep", sweep_tags(plan))
            with held(run, experiment.data), ending(run, "sweep"), _stops_first(stop):
                stop.raise_if_requested(TerminationSignal)
                record_plan(run, plan, redact(address))
                swept = _Sweep(plan, run, experiment, address, workers, stop)
                swept.run_trials()
                best, loss = swept.study.best()
                if register_best and best is None:
                    raise ParamsError("--register: no trial has finished, so there is none to register")
                registered = swept.register(best) if register_best and best else None
                noted.raise_if_requested(TerminationSignal)
                ended = swept.study.trials()
                leave_page(described(ended), key="sweep", description=f"MLflow run {run.run_id}")
    version = None
    if registered:
        with suppress(TrackingError):  # the store may be away by now: the run tells
            version = run_version(registered)
    return Swept(run, tally(ended), best, loss, registered, version, time.monotonic() - started)


@contextmanager
def _stops_first(stop: StopRequest) -> Iterator[None]:
    """Take a store that was away when a stop was asked for as that stop: nobody waited for it any more."""
    try:
        yield
    except AwayError:
        stop.raise_if_requested(TerminationSignal)
        raise


class _Sweep:
    """A sweep while its flow runs."""

    def __init__(
        self, plan: Plan, run: RunRef, experiment: Experiment, address: str, workers: int, stop: StopRequest
    ) -> None:
        """Open the study, or make it."""
        self._plan, self._run, self._workers, self._stop = plan, run, workers, stop
        self._stopping = stopping = Stopping(stop)
        children = Children(experiment, run, stopping)
        self._came_to_a_run = children.any()
        self.study = Study(address, run.run_id, plan, stopping, is_new=not self._came_to_a_run)
        self._board = Board(Tracker(run))
        self._threads: int | None = None
        self._shown_uri: str | None = None
        launcher = self._launcher(experiment)
        self._around = Surroundings(children, launcher, stopping, plan.base.tasks.recoveries)
        self._defaults = load_params()

    def run_trials(self) -> None:
        """Bring the trials that are missing to their outcome.

        Raises:
            KeyboardInterrupt, TerminationSignal: a stop was asked for; what ran can go on.
            ParamsError: the first trial did not come to a run, so no other would.
            TrackingError: a store was away for long.
        """
        run_jobs(self._next, self._workers, self._around, self._stop, self._ended)
        self._board.write(self.study.trials(), last=True)

    def register(self, best: Chosen) -> RunRef:
        """Train with the values of the best trial, with the full time, and register the model; return the run.

        Raises:
            KeyboardInterrupt, TerminationSignal: a stop was asked for; the run can go on.
            TrackingError: the run failed, or a store was away for long.
        """
        logger.info("best      trial %d once more, with the full time: %s", best.number, in_words(best.values))
        params = self._plan.best_params(best.values, self._run.run_id, best.number)
        jobs = [Job(best_of(best.number), best.values, self._overrides(params), lambda part, loss: False)]
        runs: list[RunRef] = []

        def ended(job: Job, run: RunRef | None, outcome: Outcome) -> None:
            if run is None or outcome.state != "finished":
                raise TrackingError(f"the best trial, trained once more, has {outcome.state}: {outcome.reason}")
            runs.append(run)

        run_jobs(lambda: jobs.pop() if jobs else None, 1, self._around, self._stop, ended)
        return runs[0]

    def _next(self) -> Job | None:
        """Return the next trial; those whose values contradict each other have failed. None where there are enough."""
        while self.study.has_more(self._plan.trials):
            chosen = self.study.begin()
            number = chosen.number
            try:
                params = self._plan.trial_params(chosen.values, self._run.run_id, number)
            except ParamsError as error:
                self._tell(number, Outcome("failed", reason=str(error)))
                continue
            logger.info("trial %-4d %s", number, in_words(chosen.values))
            return Job(
                str(number),
                chosen.values,
                self._overrides(params, self._threads),
                partial(self.study.report, number),
            )
        return None

    def _ended(self, job: Job, run: RunRef | None, outcome: Outcome) -> None:
        if run is None and not self._came_to_a_run:
            raise ParamsError(f"trial {job.trial}: {outcome.reason}")
        if run is not None:
            self._came_to_a_run = True
            # Before the study knows: a sweep that is killed in between comes here again.
            self._around.children.mark(run, outcome.state)
        self._tell(int(job.trial), outcome)

    def _tell(self, number: int, outcome: Outcome) -> None:
        """Say what came of a trial: to the study, the terminal and the page of the sweep."""
        self.study.end(number, outcome)
        best, _ = self.study.best()
        shown = "" if outcome.loss is None else f"  val/loss {outcome.loss:.4f}"
        shown += " (best)" if best and best.number == number else ""
        reason = f": {outcome.reason}" if outcome.reason else ""
        logger.info("trial %-4d %s%s%s", number, outcome.state, shown, reason)
        self._board.write(self.study.trials())

    def _overrides(self, params: Params, threads: int | None = None) -> list[str]:
        """Return how a trial is given its parameters; `threads` in place of its own, None for these."""
        tracking = params.tracking.model_copy(update={"uri": self._shown_uri})
        training = params.training
        if threads is not None:
            training = training.model_copy(update={"threads": threads})
        return as_overrides(params.model_copy(update={"tracking": tracking, "training": training}), self._defaults)

    def _launcher(self, experiment: Experiment) -> Launcher:
        """Return what starts trials: workers of the Prefect server, or processes of this machine."""
        uri = experiment.store.uri
        server = Server(self._stopping)
        if not is_temporary() and PREFECT_API_URL.value() and server.has_deployment():
            # Where it has credentials, those of the workers' own environment are taken.
            self._shown_uri = uri if redact(uri) == uri else None
            logger.info("sweep     trials are run by the workers of %s", redact(PREFECT_API_URL.value() or ""))
            return DeployedLauncher(server, self._run.run_id)
        self._shown_uri, self._threads = None, thread_share(self._plan, self._workers, usable_cores())
        environment = {"MLFLOW_TRACKING_URI": experiment.store.uri}
        if url := PREFECT_API_URL.value():
            environment["PREFECT_API_URL"] = url
        return LocalLauncher(experiment.data.sweeps / self._run.run_id, environment)
