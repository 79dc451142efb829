"""The command `charrnn`: its commands, put together."""

import signal
from collections.abc import Sequence

import typer
from typer.main import get_command, get_group

from charrnn.errors import CharrnnError
from flows.cli import (
    compare,
    export,
    init,
    params,
    promote,
    prune,
    report,
    sample,
    score,
    serve,
    server,
    sweep,
    sync,
    train,
)
from flows.cli.command import SETTINGS, add_command, answer_usage
from flows.cli.errors import answer
from flows.naming import typed

app = typer.Typer(
    help="Train a character-level recurrent language model on your own text, and know exactly what every run did.",
    context_settings=SETTINGS,
    # Plain text: no boxes, and no traceback in colours for an error that is none of the user's.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
add_command(app, "init", init.init, init.EXAMPLES, init.NOTES)
add_command(app, "train", train.train, train.EXAMPLES, train.NOTES)
add_command(app, "sweep", sweep.sweep, sweep.EXAMPLES, sweep.NOTES)
add_command(app, "sample", sample.sample, sample.EXAMPLES)
add_command(app, "score", score.score, score.EXAMPLES)
add_command(app, "report", report.report, report.EXAMPLES)
add_command(app, "export", export.export, export.EXAMPLES)
add_command(app, "compare", compare.compare, compare.EXAMPLES)
add_command(app, "sync", sync.sync, sync.EXAMPLES, sync.NOTES)
add_command(app, "prune", prune.prune)
add_command(app, "promote", promote.promote, promote.EXAMPLES)
add_command(app, "serve", serve.serve, serve.EXAMPLES)
add_command(app, "server", server.server)
add_command(app, "params", params.params, params.EXAMPLES)


def run(arguments: Sequence[str], command: str | None = None) -> int:
    """Run `charrnn`, or one command of it, with `arguments`; return the exit code."""
    if command is None and not arguments:
        arguments = ["--help"]
    chosen = get_command(app) if command is None else get_group(app).commands[command]
    prog = "charrnn" if command is None else typed(command)
    try:
        return int(chosen.main(args=list(arguments), prog_name=prog, standalone_mode=False) or 0)
    except typer.TyperException as error:
        return answer_usage(error)
    except CharrnnError as error:  # the help cannot be written
        return answer(str(error), error.exit_code)
    except SystemExit as ended:
        # Typer's answer where the help has lost its reader; elsewhere it lets errors be.
        if isinstance(ended.__context__, BrokenPipeError):
            return 128 + signal.SIGPIPE
        raise
