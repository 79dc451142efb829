"""`charrnn prune`: remove checkpoints of old runs that are no longer needed; without --delete, only say which."""

import time
from typing import Annotated

import typer

from charrnn.config.loading import load_params
from charrnn.errors import ParamsError
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible

MS_PER_DAY = 24 * 60 * 60 * 1000


def prune(
    *,
    older_than: Annotated[float, typer.Option(metavar="DAYS", help="Only runs that ended before.")] = 30.0,
    delete: Annotated[bool, typer.Option("--delete", help="Delete them; without it, they are only listed.")] = False,
    overlays: Overlays,
    overrides: Overrides,
) -> int:
    """Remove checkpoints that are no longer needed.

    Those are checkpoints of runs that ended long ago, here and among the artifacts. The best of each run stays, all
    that a run needs to go on unless it has finished, and everything of a run whose model has an alias, such as the
    champion.
    """
    if not 0 <= older_than < float("inf"):
        raise ParamsError(f"--older-than: must be a number of days >= 0, got {older_than:g}")
    params = load_params(overlays, overrides)
    with interruptible():
        from tasks.tracking.mlflow import Experiment
        from tasks.tracking.prune import spare_checkpoints

    size = runs = 0
    experiment = Experiment(params.tracking, params.data)
    for spare in spare_checkpoints(experiment, int(time.time() * 1000 - older_than * MS_PER_DAY)):
        if delete:
            spare.delete()
        print(f"{spare.ended.run.run_id}  {len(spare)} checkpoints, {spare.size / 1e6:.1f} MB  {spare.ended.name}")
        size, runs = size + spare.size, runs + 1
    if not runs:
        print(f"no run that ended more than {older_than:g} days ago has a checkpoint to spare")
    elif delete:
        print(f"{size / 1e6:.1f} MB of {runs} runs deleted")
    else:
        print(f"{size / 1e6:.1f} MB of {runs} runs could go; --delete deletes them")
    return 0
