"""The study of a sweep: chooses the values of each trial, keeps what became of them, says which trials end early.

The only module that knows Optuna. Knows neither runs nor processes.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import optuna
from filelock import FileLock
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from charrnn.config.redaction import one_line, redact
from charrnn.config.space import Choices, Scalar, Searched
from charrnn.errors import ParamsError, TrackingError
from flows.sweeps.patience import AwayError, Stopping, patiently
from flows.sweeps.plan import Plan, Pruner
from flows.sweeps.storage import SQLITE

# It tells each choice and each value again, which the sweep tells itself.
optuna.logging.set_verbosity(optuna.logging.ERROR)


PARTS = 10
"""Parts of a run after which trials are compared: the resource that pruning spends."""
# Finished trials before the median is compared with, and parts of a run that none is denied.
STARTUP_TRIALS, WARMUP_PARTS = 4, 1
SCHEMA = "charrnn_sweeps"

T = TypeVar("T")


@dataclass(frozen=True)
class Chosen:
    """A trial that has begun: its number in the sweep, from 0, and what was chosen for it."""

    number: int
    values: dict[str, Scalar]


@dataclass(frozen=True)
class Outcome:
    """How a trial has ended.

    Attributes:
        state: finished, pruned, or failed for a reason of its own.
        loss: its lowest validation loss (nats per character); None where it has none.
        reason: why it failed, in one line.
    """

    state: Literal["finished", "pruned", "failed"]
    loss: float | None = None
    reason: str = ""


FINISHED = TrialState.COMPLETE
STATES = {"finished": FINISHED, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


class Study:
    """The study of one sweep in its database. Its methods may be called from any thread."""

    def __init__(self, address: str, name: str, plan: Plan, stopping: Stopping, *, is_new: bool) -> None:
        """Open the study, or make it.

        Args:
            address: of the database, with credentials.
            name: of the study: the id of the sweep's run.
            plan: of the sweep; the random seed of the choices is that of the training.
            stopping: is set when the sweep is to end.
            is_new: whether it may be made.

        Raises:
            TrackingError: the database cannot be opened, or has no such study.
        """
        self.address = address
        self._space, self._seed, self._stopping = plan.space, plan.base.training.seed, stopping
        self._lock = threading.Lock()
        self._trials: dict[int, optuna.Trial] = {}
        self._study = self._ask(lambda: _open(address, name, _pruner(plan.pruner), is_new=is_new))

    def begin(self) -> Chosen:
        """Begin a trial, or take up one that was begun and has no outcome."""
        with self._lock:
            return self._ask(self._begin)

    def has_more(self, wanted: int) -> bool:
        """Return whether there are less than `wanted` trials, or one of them waits to be taken up."""
        found = self.trials()
        return len(found) < wanted or any(map(self._is_open, found))

    def report(self, number: int, part: int, loss: float) -> bool:
        """Tell the loss of trial `number` after `part` parts of its run; return whether it should end.

        Losses are told in order; one that is known already changes nothing.
        """
        trial = self._trials[number]

        def report() -> bool:
            if part not in self._study.get_trials(deepcopy=False)[number].intermediate_values:
                trial.report(loss, part)
            return part < PARTS and trial.should_prune()

        return self._ask(report)

    def end(self, number: int, outcome: Outcome) -> None:
        """Tell how trial `number` has ended; what was told before stays."""
        trial = self._trials[number]

        def tell() -> None:
            with suppress(UpdateFinishedTrialError):  # it was told, by this request before the connection was lost
                if outcome.reason:
                    trial.set_user_attr("reason", outcome.reason)
                if outcome.state == "pruned" and outcome.loss is not None:
                    trial.set_user_attr("loss", outcome.loss)
                value = outcome.loss if outcome.state == "finished" else None
                self._study.tell(trial, value, STATES[outcome.state], skip_if_finished=True)

        self._ask(tell)

    def trials(self) -> list[FrozenTrial]:
        """Return all trials, in order."""
        return self._ask(lambda: self._study.get_trials(deepcopy=False))

    def best(self) -> tuple[Chosen | None, float | None]:
        """Return the best of the trials that have finished, and its loss; None for both where none has."""
        losses = {one.number: one.value for one in self.trials() if one.value is not None and one.state == FINISHED}
        if not losses:
            return None, None
        number = min(losses, key=lambda one: losses[one])
        return Chosen(number, self.trials()[number].params), losses[number]

    def _is_open(self, trial: FrozenTrial) -> bool:
        return not trial.state.is_finished() and trial.number not in self._trials

    def _begin(self) -> Chosen:
        found = self._study.get_trials(deepcopy=False)
        begun = next((one for one in found if self._is_open(one)), None)
        # With a seed for each trial, a sweep that was interrupted chooses what it would have.
        self._study.sampler = TPESampler(seed=(self._seed * 1_000_003 + len(found)) % 2**32, constant_liar=True)
        trial = self._study.ask() if begun is None else optuna.Trial(self._study, begun._trial_id)
        values: dict[str, Scalar] = {}
        for one in self._space.searched:
            if one.applies(values):
                values[one.key] = _choose(trial, one)
        self._trials[trial.number] = trial
        return Chosen(trial.number, values)

    def _ask(self, request: Callable[[], T]) -> T:
        """Return what `request` returns; it is made again while the database does not answer."""

        def translated() -> T:
            try:
                return request()
            except (SQLAlchemyError, StorageInternalError) as error:
                cause = error.__cause__ if isinstance(error, StorageInternalError) else error
                kind = AwayError if isinstance(cause, DBAPIError) else TrackingError
                why = one_line(str(getattr(cause, "orig", None) or cause or error))[:300]
                raise kind(f"the study in {redact(self.address)}: {why}") from None

        return patiently(translated, self._stopping)


def _choose(trial: optuna.Trial, one: Searched) -> Scalar:
    candidates = one.candidates
    if isinstance(candidates, Choices):
        chosen: Scalar = trial.suggest_categorical(one.key, candidates.values)
        return chosen
    if candidates.whole:
        low, high, step = int(candidates.low), int(candidates.high), int(candidates.step or 1)
        return trial.suggest_int(one.key, low, high, step=step, log=candidates.log)
    return trial.suggest_float(one.key, candidates.low, candidates.high, step=candidates.step, log=candidates.log)


def _pruner(name: Pruner) -> BasePruner:
    if name == "median":
        return MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_PARTS)
    if name == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=PARTS, reduction_factor=3)
    if name == "halving":
        return SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    return NopPruner()


def check_storage(address: str, stopping: Stopping) -> None:
    """Check, before a sweep is started, that studies can be kept in the database at `address`.

    Raises:
        ParamsError: it cannot be opened, or is another program's.
        TrackingError: it was away for long.
    """

    def check() -> None:
        try:
            _storage(address)
        except DBAPIError as error:
            if not address.startswith(SQLITE):
                raise AwayError(_problem(address, error)) from None
            raise ParamsError(_problem(address, error)) from None
        except (ImportError, OSError, RuntimeError, SQLAlchemyError, StorageInternalError) as error:
            raise ParamsError(_problem(address, error)) from None

    patiently(check, stopping)


def _problem(address: str, error: Exception) -> str:
    why = one_line(str(getattr(error, "orig", None) or error))[:300]
    return f"--storage {redact(address)}: cannot be opened: {why}"


def _check_tables(engine: Engine, address: str) -> None:
    """Raise ParamsError where the database has the tables of another program, which Optuna's would be among."""
    tables = inspect(engine).get_table_names()
    engine.dispose()
    if tables and "studies" not in tables:
        raise ParamsError(
            f"--storage {redact(address)}: is the database of another program, such as MLflow (it has the table "
            f"{tables[0]}); give one of its own"
        )


def _open(address: str, name: str, pruner: BasePruner, *, is_new: bool) -> optuna.Study:
    storage = _storage(address)
    if is_new:
        return optuna.create_study(
            storage=storage, study_name=name, direction="minimize", pruner=pruner, load_if_exists=True
        )
    try:
        return optuna.load_study(storage=storage, study_name=name, pruner=pruner)
    except KeyError:
        raise TrackingError(f"--storage: {redact(address)} has no study of sweep {name}") from None


def _storage(address: str) -> RDBStorage:
    """Return the database, whose tables are made if they are not there, by one process at a time."""
    if address.startswith(SQLITE):
        folder = Path(address.removeprefix(SQLITE).partition("?")[0]).parent
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".sweeps.lock"):
            _check_tables(create_engine(address), address)
            return RDBStorage(address, engine_kwargs={"connect_args": {"timeout": 60}})
    options: Mapping[str, object] = {}
    if address.startswith("postgresql"):
        engine = create_engine(address)
        with engine.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        engine.dispose()
        options = {"options": f"-csearch_path={SCHEMA}"}
    _check_tables(create_engine(address, connect_args=options), address)
    # A connection that a restart has broken is replaced before it is used.
    return RDBStorage(address, engine_kwargs={"connect_args": options, "pool_pre_ping": True})
