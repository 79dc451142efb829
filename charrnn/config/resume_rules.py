"""What parameters may change when a run goes on, and when one starts from a trained model."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from charrnn.config.loading import load_params
from charrnn.config.messages import params_error
from charrnn.config.schema import ModelParams, Params
from charrnn.config.writing import flatten

# What may differ when a run goes on: when it ends, how it is watched, and where things are. The text is checked by
# its digest, wherever it comes from.
MAY_CHANGE = (
    *("data.sources", "data.directory", "data.max_megabytes", "data.timeout_seconds"),
    *("training.epochs", "training.max_steps", "training.max_minutes", "training.device", "training.threads"),
    *("training.processes", "training.cuda_graphs"),
    *("drift.", "evaluation.", "checkpoint.", "sampling.", "report.", "tracking.", "tasks."),
)


def check_resumable(before: Params, now: Params) -> None:
    """Check that `now` changes only what a resumed run may change.

    Raises:
        ParamsError: lists what differs and what may.
    """
    if changed := _changes(before, now, MAY_CHANGE):
        raise params_error(
            f"--resume: a resumed run keeps its parameters, but these differ: {', '.join(changed)}; "
            f"only {', '.join(MAY_CHANGE).replace('.,', '.*,')}* may change"
        )


# What may differ when a sweep goes on: where things are. All else would make trials that cannot be compared.
MAY_CHANGE_IN_SWEEP = ("data.directory", "tracking.uri", "tasks.")


def check_same_sweep(before: Params, now: Params) -> None:
    """Check that `now` changes nothing that makes a sweep's trials comparable.

    Raises:
        ParamsError: lists what differs.
    """
    if changed := _changes(before, now, MAY_CHANGE_IN_SWEEP):
        raise params_error(f"--resume: a sweep keeps its parameters, but these differ: {', '.join(changed)}")


# What may differ from the trained model that a run starts from: it decides neither shapes nor initial weights.
MAY_CHANGE_IN_MODEL = ("model.input_dropout", "model.dropout")


def load_warm_start_params(files: Sequence[str | Path], overrides: Iterable[str], model: ModelParams) -> Params:
    """Read parameters as `load_params` does, but take the model's from the trained `model` a run starts from.

    Raises:
        ParamsError: as `load_params`, or an overlay or override asks for another model; lists what differs.
    """
    params = load_params(files, overrides, base=load_params().model_copy(update={"model": model}))
    if changed := _changes(params.model_copy(update={"model": model}), params, MAY_CHANGE_IN_MODEL):
        raise params_error(
            f"--init-from: a trained model keeps its parameters, but these differ: {', '.join(changed)}; "
            f"leave them out, only {' and '.join(MAY_CHANGE_IN_MODEL)} may change"
        )
    return params


def _changes(before: Params, now: Params, may_change: str | tuple[str, ...]) -> list[str]:
    """Return a description of each parameter that differs, save those that begin with one of `may_change`."""
    old, new = flatten(before), flatten(now)
    return [
        f"{key} (was {old[key]}, now {new[key]})"
        for key in old
        if old[key] != new[key] and not key.startswith(may_change)
    ]
