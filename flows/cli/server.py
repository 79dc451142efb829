"""`charrnn server`: Prefect, MLflow, the champion's completions server and a worker on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from charrnn.config.loading import load_params, project_folder
from charrnn.config.schema import AUTO, DEFAULT_MODEL
from flows.cli.errors import interruptible
from tasks.tracking.naming import CHAMPION


def server(
    *,
    directory: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where all their data is (default: server/ in the project, or in the current folder).",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URI", help="MLflow's database, such as postgresql://... (default: a SQLite file in FOLDER)."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address to listen on; 127.0.0.1 is this machine only.")
    ] = "127.0.0.1",
    prefect_port: Annotated[str, typer.Option(metavar="PORT", help="Port of Prefect.")] = "4200",
    mlflow_port: Annotated[str, typer.Option(metavar="PORT", help="Port of MLflow.")] = "5000",
    completions_port: Annotated[
        str, typer.Option(metavar="PORT", help="Port of the completions server, which serves the champion.")
    ] = "8000",
    worker: Annotated[bool, typer.Option(help="Start a worker, too.")] = True,
) -> int:
    """Run a Prefect server, an MLflow server, a completions server and a worker on this machine."""
    with interruptible():
        from flows.servers.stack import Stack, serve

    folder = project_folder() / "server" if directory is None else directory
    name = load_params().tracking.registered_model
    model = None if name is None else f"{DEFAULT_MODEL if name == AUTO else name}@{CHAMPION}"
    serve(Stack(folder.resolve(), host, prefect_port, mlflow_port, completions_port, model, store, worker))
