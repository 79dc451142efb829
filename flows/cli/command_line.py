"""The command lines: what they take, and how mistakes are answered. Imports nothing slow."""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from charrnn.config.loading import PROJECT, load_params
from charrnn.errors import CharrnnError

PIPELINE_EXAMPLES = """\
examples:
  python flows/pipeline.py                                            all of Shakespeare, about three minutes
  python flows/pipeline.py --set 'data.sources=[my novel.txt]'        your own text
  python flows/pipeline.py --params params/smoke.yaml                 the whole flow in seconds
  python flows/pipeline.py --params params/gpu.yaml --set training.max_minutes=30 --name big
  python flows/pipeline.py --resume last                              go on with the newest run
  python flows/pipeline.py --init-from charrnn --set 'data.sources=[my novel.txt]'
                                                                      fine-tune a trained model on your own text

Parameters: docs/parameters.md. With --quiet, standard output has the run id alone; progress goes to standard error.
"""

SAMPLE_EXAMPLES = """\
examples:
  python flows/sample.py --run last                                   text from the newest run
  python flows/sample.py --model charrnn --prime 'ROMEO:' --temperature 0.7 --length 500
  python flows/sample.py --checkpoint data/checkpoints/RUN_ID/best.ckpt --num-samples 3 --seed 7
  echo 'To be, or not' | python flows/sample.py --run last --prime-file -
"""

SYNC_EXAMPLES = """\
examples:
  python flows/sync.py                                                everything that waits under the data folder
  python flows/sync.py RUN_ID                                         what one run has to tell
  python flows/sync.py --set tracking.uri=http://other:5000           to a server that has moved

Exit code 0: nothing waits any more. 1: the store does not answer, or refuses something.
"""


COMPARE_EXAMPLES = """\
examples:
  python flows/compare.py --last 3                                    the three newest runs
  python flows/compare.py RUN_ID RUN_ID --html compared.html
  python flows/compare.py --last 10 --experiment novel --markdown compared.md --picture compared.png
"""


def _parser(prog: str, description: str, examples: str = "") -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_params_options(parser: argparse.ArgumentParser) -> None:
    """Add --params and --set."""
    parser.add_argument(
        "--params",
        metavar="FILE",
        action="append",
        default=[],
        help="overlay merged over params.yaml; may be given several times, later ones win",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="overrides",
        action="append",
        default=[],
        help="one parameter, such as training.learning_rate=0.002; may be given several times",
    )


def pipeline_parser() -> argparse.ArgumentParser:
    """Return the parser of `flows/pipeline.py`."""
    parser = _parser(
        "pipeline.py", "Download, encode, train, evaluate, sample and register, tracked in MLflow.", PIPELINE_EXAMPLES
    )
    add_params_options(parser)
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", metavar="RUN_ID|last", help="go on with this run, from its last checkpoint")
    start.add_argument(
        "--init-from",
        metavar="MODEL",
        help="start a new run from the weights of a trained model: RUN_ID, last, a checkpoint FILE, or a registered "
        "NAME, NAME@alias or NAME/VERSION; its model.* parameters are taken over",
    )
    parser.add_argument("--name", metavar="NAME", help="name of the run in MLflow (tracking.run_name)")
    parser.add_argument(
        "--no-promote", action="store_true", help="leave the registered model's champion as it is (tracking.promote)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the resolved parameters and what would be done; start nothing"
    )
    parser.add_argument(
        "--quiet", action="store_true", help="print nothing but the run id, and warnings to standard error"
    )
    return parser


def sample_parser() -> argparse.ArgumentParser:
    """Return the parser of `flows/sample.py`."""
    parser = _parser(
        "sample.py", "Write text with a trained model, on the CPU wherever it was trained.", SAMPLE_EXAMPLES
    )
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--run", metavar="RUN_ID|last", help="the best checkpoint of a run")
    model.add_argument("--checkpoint", metavar="FILE", help="a checkpoint file")
    model.add_argument("--model", metavar="NAME[@alias]", help="a registered model, its newest version without alias")
    prime = parser.add_mutually_exclusive_group()
    prime.add_argument("--prime", metavar="TEXT", default="", help="text to continue")
    prime.add_argument("--prime-file", metavar="FILE|-", help="file with the text to continue; - is standard input")
    parser.add_argument("--length", metavar="N", type=int, default=1000, help="characters to write (default 1000)")
    parser.add_argument(
        "--temperature", metavar="T", type=float, default=0.8, help="0: likeliest, 1: as learnt (default 0.8)"
    )
    parser.add_argument("--top-k", metavar="K", type=int, help="draw from the K likeliest characters only")
    parser.add_argument(
        "--top-p", metavar="P", type=float, help="draw from the likeliest that together have probability P"
    )
    parser.add_argument("--num-samples", metavar="N", type=int, default=1, help="texts, with seeds S, S+1, ...")
    parser.add_argument("--seed", metavar="S", type=int, default=1, help="same seed, same text (default 1)")
    parser.add_argument("--until", metavar="TEXT", help="stop as soon as TEXT was written")
    parser.add_argument("--stream", action="store_true", help="write characters as they come (always so in a terminal)")
    parser.add_argument("--strict", action="store_true", help="refuse a prime with characters the model has never seen")
    add_params_options(parser)
    return parser


def sync_parser() -> argparse.ArgumentParser:
    """Return the parser of `flows/sync.py`."""
    parser = _parser(
        "sync.py", "Send to the tracking store what runs could not tell it while it was away.", SYNC_EXAMPLES
    )
    parser.add_argument("run_ids", metavar="RUN_ID", nargs="*", help="only these runs (default: all)")
    add_params_options(parser)
    return parser


def compare_parser() -> argparse.ArgumentParser:
    """Return the parser of `flows/compare.py`."""
    parser = _parser("compare.py", "Compare runs: parameters that differ, results, curves, samples.", COMPARE_EXAMPLES)
    parser.add_argument("run_ids", metavar="RUN_ID", nargs="*", help="the runs, in the order they are shown")
    parser.add_argument("--last", metavar="N", type=int, help="the experiment's N newest runs (default: 5)")
    parser.add_argument("--experiment", metavar="NAME", help="the experiment of --last (tracking.experiment)")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables and samples as Markdown")
    parser.add_argument("--picture", metavar="FILE", help="write the curves as PNG")
    parser.add_argument("--html", metavar="FILE", help="write everything as a self-contained page")
    add_params_options(parser)
    return parser


def promote_parser() -> argparse.ArgumentParser:
    """Return the parser of `flows/promote.py`."""
    parser = _parser("promote.py", "Make a version of a registered model the champion.")
    parser.add_argument("name", metavar="NAME", help="the registered model")
    parser.add_argument("version", metavar="VERSION", help="the version that is to be the champion")
    parser.add_argument("--reason", metavar="TEXT", default="by hand", help="kept with the version (default: by hand)")
    add_params_options(parser)
    return parser


def prune_parser() -> argparse.ArgumentParser:
    """Return the parser of `flows/prune.py`."""
    parser = _parser(
        "prune.py",
        "Remove checkpoints that nobody needs any more, here and among the artifacts, of runs that ended\n"
        "long ago. The best of each run stays, all that a run needs to go on unless it has finished, and\n"
        "everything of a run whose model has an alias, such as the champion.",
    )
    parser.add_argument(
        "--older-than", metavar="DAYS", type=float, default=30.0, help="only runs that ended before (default 30)"
    )
    parser.add_argument("--delete", action="store_true", help="delete them; without it, they are only listed")
    add_params_options(parser)
    return parser


def server_parser() -> argparse.ArgumentParser:
    """Return the parser of `flows/server.py`."""
    parser = _parser("server.py", "A Prefect server, an MLflow server and a worker on this machine.")
    parser.add_argument(
        "--directory", metavar="FOLDER", type=Path, default=PROJECT / "server", help="where all their data is"
    )
    parser.add_argument(
        "--store", metavar="URI", help="MLflow's database, such as postgresql://...; default: a SQLite file in FOLDER"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)"
    )
    parser.add_argument("--prefect-port", metavar="PORT", default="4200", help="port of Prefect (default 4200)")
    parser.add_argument("--mlflow-port", metavar="PORT", default="5000", help="port of MLflow (default 5000)")
    parser.add_argument(
        "--worker", action=argparse.BooleanOptionalAction, default=True, help="start a worker, too (default: yes)"
    )
    return parser


def sync_command(directory: Path) -> str:
    """Return the command that sends what waits under the data folder `directory`."""
    command = "python flows/sync.py"
    if directory != Path(load_params().data.directory):
        command += f" --set {shlex.quote(f'data.directory={directory}')}"
    return command


def interruptible() -> None:
    """Let Ctrl-C end the process without a traceback while the slow imports run; `guarded` takes it over from there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def guarded(main: Callable[[], int]) -> int:
    """Run `main`; answer mistakes with one line on standard error and the error's exit code.

    Returns:
        The exit code: 2 for bad input, 130 and 143 after SIGINT and SIGTERM, 141 where nobody reads the output.
    """
    # Also what Prefect falls back on: it ends the flow first, then hands SIGTERM to the handler it found.
    terminated = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = main()
        sys.stdout.flush()
        return code
    except CharrnnError as error:
        return _answer(str(error), error.exit_code)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader went away (`| head`).
        _drop_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        # A file is named where it fails; this is standard output, such as on a full disk.
        _drop_output()
        return _answer(str(error), 2)
    finally:
        signal.signal(signal.SIGTERM, terminated)
        signal.signal(signal.SIGINT, interrupted)


def _answer(message: str, code: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code


def _drop_output() -> None:
    """Point standard output elsewhere, so that the interpreter's last flush is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
