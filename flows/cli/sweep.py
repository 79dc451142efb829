"""`charrnn sweep`: search parameters here, or with the workers of a Prefect server."""

from pathlib import Path
from typing import Annotated

import typer

from charrnn.config.loading import load_params
from charrnn.config.space import in_words
from charrnn.data.folder import DataFolder
from charrnn.undecodable import portable
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible
from flows.cli.train import prepare
from flows.servers.temporary_process import start_server
from flows.sweeps.plan import DEFAULT_PRUNER, DEFAULT_TRIALS, PRUNERS, check_pruner, check_workers, read_plan
from flows.sweeps.storage import VARIABLE, study_address
from tasks.tracking.address import tracking_uri

EXAMPLES = [
    ("--space params/sweep.yaml --trials 40 --workers 2", "two trials at a time"),
    ("--space novel_space.yaml --params novel.yaml --register", "register the best, trained with the full time"),
    ("--resume last", "go on with the newest sweep"),
    ("--resume last --trials 60", "and make it longer"),
]
NOTES = (
    "The file of the space: a parameter and a list of its values, or {low: 0.001, high: 0.02, log: true}, a line each; "
    "docs/operations.md has the rest. Ctrl-C stops the trials as it stops runs."
)


def sweep(
    *,
    space: Annotated[
        str | None, typer.Option(metavar="FILE", help="What is tried: parameters with values or ranges, as YAML.")
    ] = None,
    trials: Annotated[int | None, typer.Option(metavar="N", help=f"Trials in all (default: {DEFAULT_TRIALS}).")] = None,
    workers: Annotated[
        int, typer.Option(metavar="N", help="Trials at a time; here, they share the processor's cores.")
    ] = 1,
    pruner: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(PRUNERS),
            help=f"What ends trials early whose val/loss is behind that of others (default: {DEFAULT_PRUNER}).",
        ),
    ] = None,
    register: Annotated[
        bool,
        typer.Option("--register", help="Train with the best values once more, with the full time, and register that."),
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN_ID|last", help="Go on with this sweep, and with trials that were stopped."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Database of the study (default: the store of the runs; the data folder where that is a server); "
            f"with credentials, by {VARIABLE}.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the sweep in MLflow (tracking.run_name).")
    ] = None,
    overlays: Overlays,
    overrides: Overrides,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but the run id, and warnings to standard error.")
    ] = False,
) -> int:
    """Search parameters: many short trainings, chosen by what came of those before."""
    if name is not None:
        overrides.append(f"tracking.run_name={name}")
    check_workers(workers)
    check_pruner(pruner)
    params = load_params(overlays, overrides)
    data = DataFolder(Path(params.data.directory))
    study_address(storage, tracking_uri(params.tracking), data)
    if resume is None:
        read_plan(space, overlays, overrides, trials=trials, pruner=pruner, register=register)
        with interruptible():
            from charrnn.data.corpus import check_local_sources
        check_local_sources(params.data)
    prepare(quiet=quiet)
    server = start_server(data)  # it starts while the imports run, which take as long
    with interruptible():
        from flows.servers.temporary_server import temporary_server
        from flows.sweep import sweep as flow
    with temporary_server(data, server):
        # Prefect records what a flow is given as JSON.
        swept = flow(
            space=space and portable(space),
            trials=trials,
            workers=workers,
            pruner=pruner,
            register_best=register,
            resume=resume,
            storage=storage,
            overlays=[portable(text) for text in overlays],
            overrides=[portable(text) for text in overrides],
        )
    if quiet:
        print(swept.run.run_id)
        return 0
    rows = [("trials", swept.trials), ("time", f"{swept.seconds:.0f} s")]
    if swept.best is not None:
        rows.append(("best", f"trial {swept.best.number}, val/loss {swept.loss:.4f}"))
        rows.append(("values", in_words(swept.best.values)))
    if swept.registered is not None:
        named = f"{swept.version.name} version {swept.version.number}, " if swept.version else ""
        rows.append(("registered", f"{named}run {swept.registered.run_id}"))
    rows.append(("sweep", swept.run.run_id))
    print("\n" + "\n".join(f"{name:<12}{value}" for name, value in rows))
    return 0
