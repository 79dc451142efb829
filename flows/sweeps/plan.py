"""What a sweep is to do, checked before anything starts; the parameters of its trials. Knows no Prefect, no MLflow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from charrnn.config.handing_on import as_overrides
from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.config.space import Scalar, Space, apply_values, read_space
from charrnn.errors import ParamsError
from tasks.tracking.runs import SWEEP_RUN_TAG, TRIAL_TAG

Pruner = Literal["median", "hyperband", "halving", "none"]
PRUNERS: tuple[Pruner, ...] = get_args(Pruner)
DEFAULT_TRIALS = 20
DEFAULT_PRUNER: Pruner = "median"
# Of a trial: what no trial needs, since one of all is registered in the end.
OF_TRIALS: dict[str, Any] = {
    "tracking.registered_model": None,
    "report.seconds": 0,
    "evaluation.adaptive_seconds": 0,
}


def best_of(number: int) -> str:
    """Return the name of what is registered: the values of trial `number` with the full time.

    It names the trial, since a sweep that is made longer may find a better one.
    """
    return f"best-{number}"


@dataclass(frozen=True)
class Plan:
    """What a sweep is to do.

    Attributes:
        base: parameters of all trials, but for what the space says.
        space: what they try.
        trials: how many there are to be.
        pruner: what ends trials early.
    """

    base: Params
    space: Space
    trials: int
    pruner: Pruner

    def trial_params(self, values: dict[str, Scalar], sweep: str, number: int) -> Params:
        """Return the parameters of trial `number` of the sweep whose run is `sweep`.

        Raises:
            ParamsError: the values contradict each other.
        """
        return self._tagged(self.space.apply(self.base, values), OF_TRIALS, sweep, str(number), f"trial {number}")

    def best_params(self, values: dict[str, Scalar], sweep: str, number: int) -> Params:
        """Return the parameters with which the best trial, which chose `values`, is trained once more."""
        params = apply_values(self.base, values, "the best values")
        return self._tagged(params, {}, sweep, best_of(number), f"the best of the sweep, trial {number}")

    def _tagged(self, params: Params, changes: dict[str, Any], sweep: str, trial: str, name: str) -> Params:
        tags = {SWEEP_RUN_TAG: sweep, TRIAL_TAG: trial}
        return apply_values(params, {**changes, "tracking.run_name": name, "tracking.tags": tags}, "the sweep's own")


def read_plan(
    space: str | None,
    overlays: Sequence[str],
    overrides: Sequence[str],
    *,
    trials: int | None,
    pruner: str | None,
    register: bool,
) -> Plan:
    """Return the plan of a new sweep.

    Args:
        space: the file of the space.
        overlays: parameter files.
        overrides: single parameters.
        trials: how many; None for the default.
        pruner: what ends trials early; None for the default.
        register: whether the best is to be registered.

    Raises:
        ParamsError: any of it is wrong.
    """
    if space is None:
        raise ParamsError("--space: must name the file that says what is tried, such as params/sweep.yaml")
    base = load_params(overlays, overrides)
    number = DEFAULT_TRIALS if trials is None else trials
    plan = Plan(base, read_space(Path(space), base), number, check_pruner(pruner) or DEFAULT_PRUNER)
    check_plan(plan, register=register)
    return plan


def check_plan(plan: Plan, *, register: bool) -> None:
    """Check that the trials can be compared, and what is to be registered has a name. Raises ParamsError."""
    base = plan.base
    if plan.trials < 1:
        raise ParamsError(f"--trials: must be >= 1, got {plan.trials}")
    if not base.splits.val_fraction:
        raise ParamsError("splits.val_fraction: must be > 0, since val/loss compares the trials of a sweep, got 0")
    if register and base.tracking.registered_model is None:
        raise ParamsError("--register: needs a name in tracking.registered_model, got null")
    tracking = base.tracking.model_copy(update={"uri": None})
    as_overrides(base.model_copy(update={"tracking": tracking}), load_params())


def check_pruner(pruner: str | None) -> Pruner | None:
    """Return what a person gave. Raises ParamsError where it is no pruner."""
    chosen = next((one for one in PRUNERS if one == pruner), None)
    if pruner is not None and chosen is None:
        raise ParamsError(f"--pruner: must be {', '.join(PRUNERS[:-1])} or {PRUNERS[-1]}, got {pruner}")
    return chosen


def check_workers(workers: int) -> None:
    """Raise ParamsError unless there is a worker."""
    if workers < 1:
        raise ParamsError(f"--workers: must be >= 1, got {workers}")


def thread_share(plan: Plan, workers: int, cores: int) -> int | None:
    """Return the threads of each of `workers` trials that share `cores`; None where something else says it."""
    is_given = "training.threads" in plan.space.written() or plan.base.training.threads != "auto"
    return None if workers == 1 or is_given else max(1, cores // workers)
