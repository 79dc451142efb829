"""Make a version of a registered model the champion by hand: to go back to an older one, or to overrule the test.

See `python flows/promote.py --help`.
"""

import argparse
import sys
from pathlib import Path

# As a script, Python puts flows/ on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from charrnn.config.loading import load_params
from flows.cli.command_line import guarded, promote_parser


def main(arguments: argparse.Namespace) -> int:
    """Give the alias to the version that `arguments` name. Raises CharrnnError for bad input."""
    params = load_params(arguments.params, arguments.overrides)
    # MLflow takes seconds to import: not before mistakes are answered.
    from tasks.promote import CHAMPION
    from tasks.tracking.mlflow import Store, alias_version, set_champion

    store = Store.of(params.tracking)
    before = alias_version(store, arguments.name, CHAMPION)
    set_champion(store, arguments.name, arguments.version, f"champion: {arguments.reason}", CHAMPION)
    print(f"{arguments.name} version {arguments.version} is the champion (before: {before or 'none'})")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(promote_parser().parse_args())))
