"""Remove checkpoints of old runs that nobody needs any more; without --delete, only say which.

See `python flows/prune.py --help`.
"""

import argparse
import sys
import time
from pathlib import Path

# As a script, Python puts flows/ on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from charrnn.config.loading import load_params
from charrnn.errors import ParamsError
from flows.cli.command_line import guarded, prune_parser

MS_PER_DAY = 24 * 60 * 60 * 1000


def main(arguments: argparse.Namespace) -> int:
    """Print what is spare, a line for each run, and delete it if asked to. Raises CharrnnError for bad input."""
    if not 0 <= arguments.older_than < float("inf"):
        raise ParamsError(f"--older-than: must be a number of days >= 0, got {arguments.older_than:g}")
    params = load_params(arguments.params, arguments.overrides)
    # MLflow takes seconds to import: not before mistakes are answered.
    from tasks.tracking.mlflow import Experiment
    from tasks.tracking.prune import spare_checkpoints

    size = runs = 0
    experiment = Experiment(params.tracking, params.data)
    for spare in spare_checkpoints(experiment, int(time.time() * 1000 - arguments.older_than * MS_PER_DAY)):
        if arguments.delete:
            spare.delete()
        print(f"{spare.ended.run.run_id}  {len(spare)} checkpoints, {spare.size / 1e6:.1f} MB  {spare.ended.name}")
        size, runs = size + spare.size, runs + 1
    if not runs:
        print(f"no run that ended more than {arguments.older_than:g} days ago has a checkpoint to spare")
    elif arguments.delete:
        print(f"{size / 1e6:.1f} MB of {runs} runs deleted")
    else:
        print(f"{size / 1e6:.1f} MB of {runs} runs could go; --delete deletes them")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(prune_parser().parse_args())))
