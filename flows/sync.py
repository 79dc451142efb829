"""Send what runs could not tell their tracking store while it was away.

See `python flows/sync.py --help`.
"""

import argparse
import sys
from pathlib import Path

# As a script, Python puts flows/ on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from charrnn.config.loading import load_params
from charrnn.config.redaction import redact
from charrnn.config.schema import TrackingParams
from charrnn.data.folder import DataFolder
from charrnn.errors import TrackingError
from flows.cli.command_line import guarded, sync_parser
from tasks.tracking.address import tracking_uri
from tasks.tracking.outbox.queue import Outbox, outboxes


def main(arguments: argparse.Namespace) -> int:
    """Send what waits, a line for each run; return 1 when something still does. Raises CharrnnError for bad input."""
    params = load_params(arguments.params, arguments.overrides)
    data = DataFolder(Path(params.data.directory))
    found = [box for box in outboxes(data) if not arguments.run_ids or box.folder.name in arguments.run_ids]
    for box in found:
        box.restore()
    waiting = [box for box in found if box.pending()]
    if not waiting:
        print(f"nothing waits in {data.outboxes}")
    return max([_sync(box, data, params.tracking) for box in waiting], default=0)


def _sync(box: Outbox, data: DataFolder, params: TrackingParams) -> int:
    # MLflow takes seconds to import: not before mistakes are answered, and not for nothing.
    from tasks.tracking.mlflow import run_at
    from tasks.tracking.tracker import send_pending

    run_id = box.folder.name
    try:
        uri = _address(box, params)
        sent = send_pending(run_at(uri, run_id, data))
    except TrackingError as error:
        print(f"error: run {run_id}: {error}; {box.kept()} operations are kept in {box.folder}", file=sys.stderr)
        return 1
    print(f"{run_id}  {sent} operations sent to {redact(uri)}")
    return 0


def _address(box: Outbox, params: TrackingParams) -> str:
    """Return the address to send to: the one asked for, else the run's own, with the credentials of the parameters."""
    own, known = box.address, tracking_uri(params)
    if params.uri or redact(known) == own:
        return known
    if "***" in own:
        raise TrackingError(f"its store is {own}; give the address with credentials: --set tracking.uri=...")
    return own


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sync_parser().parse_args())))
