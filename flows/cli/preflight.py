"""What `flows/pipeline.py` does before anything slow is imported: help, mistakes, the dry run, settings, logging."""

import argparse
import os
import sys

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.config.writing import to_yaml
from charrnn.terminal import configure_logging
from flows.cli.command_line import guarded, pipeline_parser
from tasks import SETTINGS


def preflight(argv: list[str]) -> argparse.Namespace:
    """Parse `argv`, check the parameters it gives, answer --dry-run; return what is left to run.

    Raises:
        SystemExit: 2 for a mistake, 0 after --help and --dry-run.
    """
    arguments = pipeline_parser().parse_args(argv)
    if code := guarded(lambda: _check(arguments)):
        sys.exit(code)
    if arguments.dry_run:
        sys.exit(0)
    # This project's log lines are for the person at the terminal; Prefect's own go to its server.
    for name, value in {**SETTINGS, "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}.items():
        os.environ.setdefault(name, value)
    configure_logging(quiet=arguments.quiet)
    return arguments


def _check(arguments: argparse.Namespace) -> int:
    if arguments.name is not None:
        arguments.overrides.append(f"tracking.run_name={arguments.name}")
    if arguments.no_promote:
        arguments.overrides.append("tracking.promote=false")
    params = load_params(arguments.params, arguments.overrides)
    if arguments.dry_run:
        print(to_yaml(params), end="")
        print("\n".join(f"# {line}" for line in _plan(params, arguments.resume, arguments.init_from)))
    return 0


def _plan(params: Params, resume: str | None, init_from: str | None) -> list[str]:
    """Say what a run with `params` would do, a line a task."""
    training, model = params.training, params.model
    limits = {
        "epochs": training.epochs,
        "steps": training.max_steps,
        "minutes": training.max_minutes,
        "evaluations without improvement": training.patience,
    }
    ends = ", or ".join(f"{value:g} {name}" for name, value in limits.items() if value is not None)
    registered = params.tracking.registered_model
    shape = f"{model.cell} {model.num_layers}x{model.hidden_size}"
    if init_from is not None:
        shape = f"the weights and model parameters of {init_from}, instead of those above,"
    return [
        "Would run, and has started nothing:" if resume is None else f"Would go on with run {resume}:",
        f"download  the first of {len(params.data.sources)} sources that answers, kept in {params.data.directory}",
        "encode    characters to ids, or re-use the encoding of the same text",
        f"train     {shape} until {ends}",
        "evaluate  the best checkpoint on the validation and test splits",
        f"sample    {params.sampling.length} characters at temperatures {list(params.sampling.temperatures)}",
        f"register  as {registered}" if registered else "register  nothing",
    ]
