"""The plan of a sweep on its run: written when it begins, read when it goes on."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from charrnn.config.loading import load_params
from charrnn.config.redaction import redact
from charrnn.config.resume_rules import check_same_sweep
from charrnn.config.schema import Params
from charrnn.config.space import parse_space, read_space
from charrnn.config.writing import flatten, to_yaml
from charrnn.data.folder import DataFolder
from charrnn.errors import ParamsError, TrackingError
from flows.sweeps.plan import DEFAULT_PRUNER, Plan, check_pruner
from tasks.tracking.environment import environment_tags
from tasks.tracking.mlflow import Experiment, download_artifact, run_tag, take_over
from tasks.tracking.naming import NEWEST
from tasks.tracking.runs import SWEEP_TAG, RunRef
from tasks.tracking.tracker import Tracker, send_pending

PARAMS_FILE, SPACE_FILE = "sweep/params.yaml", "sweep/space.yaml"
PRUNER_TAG, STORAGE_TAG = "charrnn.sweep.pruner", "charrnn.sweep.storage"


def find_sweep(experiment: Experiment, wanted: str) -> RunRef:
    """Return the run of a sweep (an id, or `last`), which no other process is at.

    Raises:
        TrackingError: there is none, another process is at it, or the store does not answer.
    """
    if wanted == NEWEST:
        found = experiment.tagged_runs({SWEEP_TAG: "%"}, 1)
        if not found:
            raise TrackingError("last: the experiment has no sweep yet")
        run = found[0]
    else:
        run = experiment.find_run(wanted)
    take_over(run)
    send_pending(run)
    return run


@contextmanager
def held(run: RunRef, data: DataFolder) -> Iterator[None]:
    """Let no other process of this machine run the sweep while the block runs.

    Raises:
        TrackingError: another process does.
    """
    folder = data.sweeps / run.run_id
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".sweep.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise TrackingError(f"sweep {run.run_id}: another process runs it; stop that first") from None
    try:
        yield
    finally:
        lock.release()


def sweep_tags(plan: Plan) -> dict[str, str]:
    """Return the tags by which a sweep's run is known from its first moment on."""
    return {SWEEP_TAG: str(plan.trials), PRUNER_TAG: plan.pruner}


def record_plan(run: RunRef, plan: Plan, storage: str) -> None:
    """Write the plan to the run, and the address of its study, credentials redacted."""
    tracker = Tracker(run)
    tracker.text(to_yaml(plan.base), PARAMS_FILE)
    tracker.text(plan.space.to_yaml(), SPACE_FILE)  # the last that going on needs
    tracker.tags({**sweep_tags(plan), STORAGE_TAG: storage})
    written = plan.space.written()
    tracker.params({key: value for key, value in flatten(plan.base).items() if key not in written})
    tracker.tags({**environment_tags(), "mlflow.source.name": "flows/sweep.py"})


def recorded_plan(
    run: RunRef,
    params: Params,
    overlays: Sequence[str],
    overrides: Sequence[str],
    space: str | None,
    trials: int | None,
    pruner: str | None,
) -> Plan:
    """Return the plan that the sweep goes on with.

    Args:
        run: of the sweep.
        params: of this command; its tracking URI has the credentials.
        overlays: parameter files that are given again.
        overrides: single parameters that are given again.
        space: the file of the space, where it is given again.
        trials: how many there are to be in all; None for as many as before.
        pruner: what ends trials early from now on; None for what did.

    Raises:
        ParamsError: a parameter or the space is another one; it says what differs.
        TrackingError: it is no sweep, or the store does not answer.
    """
    planned = run_tag(run, SWEEP_TAG)
    if not planned:
        raise TrackingError(f"run {run.run_id}: is no sweep; it goes on by charrnn train --resume {run.run_id}")
    with tempfile.TemporaryDirectory() as temporary:
        files = [download_artifact(run, path, Path(temporary)) for path in (PARAMS_FILE, SPACE_FILE)]
        if files[0] is None or files[1] is None:
            raise TrackingError(f"sweep {run.run_id}: ended before its space was kept; start a new one")
        kept = load_params([files[0]], base=Params())
        base = kept.model_copy(update={"tracking": kept.tracking.model_copy(update={"uri": params.tracking.uri})})
        before = parse_space(files[1].read_text("utf-8"), SPACE_FILE, base)
    now = load_params(overlays, overrides, base=base)
    check_same_sweep(base, now)
    if space is not None and (changed := before.differences(read_space(Path(space), base))):
        raise ParamsError(f"--space {space}: is another space than that of sweep {run.run_id}: {', '.join(changed)}")
    if trials is not None and trials < int(planned):
        raise ParamsError(
            f"--trials: must be at least {planned}, as many as sweep {run.run_id} is to have, got {trials}"
        )
    taken = check_pruner(pruner or run_tag(run, PRUNER_TAG)) or DEFAULT_PRUNER
    return Plan(now, before, int(planned) if trials is None else trials, taken)


def recorded_storage(run: RunRef, address: str, *, given: bool) -> str:
    """Return the address of the sweep's study.

    Args:
        run: of the sweep.
        address: the one of this command, with credentials.
        given: whether a person gave it.

    Raises:
        ParamsError: it is not the one of the sweep.
    """
    kept = run_tag(run, STORAGE_TAG)
    if kept in ("", redact(address)):
        return address
    if not given and "***" not in kept:
        return kept
    raise ParamsError(f"--storage: the study of sweep {run.run_id} is in {kept}, got {redact(address)}")
