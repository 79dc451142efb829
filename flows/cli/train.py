"""`charrnn train`: run the pipeline here."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from charrnn.config.loading import load_params
from charrnn.data.folder import DataFolder
from charrnn.errors import ParamsError, TimeLimitError
from charrnn.terminal import configure_logging
from charrnn.training.launched import Launched, check_processes, launched
from charrnn.undecodable import escaped, portable
from flows.cli.command import Overlays, Overrides
from flows.cli.dry_run import dry_run as planned
from flows.cli.errors import interruptible
from flows.servers.temporary_process import start_server
from tasks import SETTINGS

EXAMPLES = [
    ("", "all of Shakespeare, about three minutes"),
    ("--set 'data.sources=[my novel.txt]'", "your own text"),
    ("--params params/smoke.yaml", "the whole flow in seconds"),
    ("--params params/gpu.yaml --set training.max_minutes=30 --name big", ""),
    ("--resume last", "go on with the newest run"),
    ("--init-from charrnn --set 'data.sources=[my novel.txt]'", "fine-tune a trained model on your own text"),
]
NOTES = (
    "Parameters: docs/parameters.md, or charrnn params KEY. With --quiet, standard output has the run id alone; "
    "progress goes to standard error."
)


def train(
    *,
    overlays: Overlays,
    overrides: Overrides,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN_ID|last", help="Go on with this run, from its last checkpoint.")
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Start a new run from the weights of a trained model: RUN_ID, last, a checkpoint FILE, or a "
            "registered NAME, NAME@alias or NAME/VERSION; its model.* parameters are taken over.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the run in MLflow (tracking.run_name).")
    ] = None,
    no_promote: Annotated[
        bool,
        typer.Option("--no-promote", help="Leave the registered model's champion as it is (tracking.promotion)."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the resolved parameters and what would be done; start nothing."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but the run id, and warnings to standard error.")
    ] = False,
) -> int:
    """Download, encode, train, evaluate, sample and register, tracked in MLflow."""
    place = launched()
    if place is not None and place.rank:
        return 0 if dry_run else follow(place)
    if resume is not None and init_from is not None:
        raise ParamsError("--resume: not allowed with --init-from: that starts a new run")
    if name is not None:
        overrides.append(f"tracking.run_name={name}")
    if no_promote:
        overrides.append("tracking.promotion=never")
    params = load_params(overlays, overrides)
    if place is not None:
        if params.training.processes != 1:
            check_processes(params.training, place)
        overrides.append(f"training.processes={place.size}")
        params = load_params(overlays, overrides)
    if dry_run:
        with interruptible():
            from charrnn.data.corpus import check_local_sources
        for problem in check_local_sources(params.data):
            print(f"warning: {escaped(problem)}", file=sys.stderr)
        print(planned(params, resume, init_from), end="")
        return 0
    prepare(quiet=quiet)
    data = DataFolder(Path(params.data.directory))
    server = start_server(data)  # it starts while the imports run, which take as long
    with interruptible():
        from prefect.task_engine import TaskRunTimeoutError

        from flows.pipeline import pipeline
        from flows.servers.temporary_server import temporary_server
    try:
        with temporary_server(data, server):
            # Prefect records what a flow is given as JSON.
            summary = pipeline(
                overlays=[portable(text) for text in overlays],
                overrides=[portable(text) for text in overrides],
                resume=resume,
                init_from=init_from and portable(init_from),
            )
    except TaskRunTimeoutError as error:
        raise TimeLimitError(
            "a task took longer than tasks.timeout_minutes; raise it and go on with --resume last"
        ) from error
    print(summary.run.run_id if quiet else f"\n{summary.text()}")
    return 0


def follow(place: Launched) -> NoReturn:
    """Train as rank 0 orders, in a process that torchrun has started beside it: no flow runs here, and no server."""
    from charrnn.training.follower import follow as obey

    obey(place)


def prepare(*, quiet: bool) -> None:
    """Make the settings that Prefect and MLflow read when they are imported, and the log that a person sees."""
    # This project's log lines are for the person at the terminal; Prefect's own go to its server.
    for name, value in {**SETTINGS, "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}.items():
        os.environ.setdefault(name, value)
    configure_logging(quiet=quiet)
