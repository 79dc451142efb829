"""Compare runs: parameters that differ, results, curves, samples; in the terminal, as Markdown, as a page.

See `python flows/compare.py --help`.
"""

import argparse
import sys
from pathlib import Path

# As a script, Python puts flows/ on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from charrnn.config.loading import load_params
from charrnn.errors import ParamsError
from charrnn.files import write_bytes, write_text
from flows.cli.command_line import compare_parser, guarded

DEFAULT_LAST = 5


def main(arguments: argparse.Namespace) -> int:
    """Print the comparison that `arguments` ask for, and write its files. Raises CharrnnError for bad input."""
    if arguments.run_ids and (arguments.last is not None or arguments.experiment is not None):
        raise ParamsError("run ids are compared as given: --last and --experiment go without them")
    last = DEFAULT_LAST if arguments.last is None else arguments.last
    if last < 1:
        raise ParamsError(f"--last: must be >= 1, got {last}")
    if arguments.experiment is not None:
        arguments.overrides.append(f"tracking.experiment={arguments.experiment}")
    params = load_params(arguments.params, arguments.overrides)
    # MLflow takes seconds to import: not before mistakes are answered.
    from tasks.tracking.comparison import Comparison, compared_metrics
    from tasks.tracking.mlflow import Experiment, read_run

    experiment = Experiment(params.tracking, params.data)
    found = [experiment.find_run(run_id) for run_id in arguments.run_ids] or experiment.last_runs(last)
    if not found:
        raise ParamsError(f"tracking.experiment: '{params.tracking.experiment}' has no runs to compare")
    comparison = Comparison([read_run(run, compared_metrics()) for run in found])
    print(comparison.markdown(), end="")
    if arguments.markdown is not None:
        write_text(Path(arguments.markdown), comparison.markdown())
    if arguments.picture is not None:
        write_bytes(Path(arguments.picture), comparison.picture())
    if arguments.html is not None:
        write_text(Path(arguments.html), comparison.html())
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(compare_parser().parse_args())))
