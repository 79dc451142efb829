"""`charrnn sync`: send what runs recorded while their tracking store was away."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from charrnn.config.loading import load_params
from charrnn.config.redaction import redact
from charrnn.config.schema import TrackingParams
from charrnn.data.folder import DataFolder
from charrnn.errors import TrackingError
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible
from tasks.tracking.address import tracking_uri
from tasks.tracking.outbox.queue import Outbox, outboxes

EXAMPLES = [
    ("", "everything that waits under the data folder"),
    ("RUN_ID", "what one run recorded"),
    ("--set tracking.uri=http://other:5000", "to a server that has moved"),
]
NOTES = "Exit code 0: nothing waits any more. 1: the store does not answer, or refuses something."


def sync(
    *,
    run_ids: Annotated[
        list[str],
        typer.Argument(metavar="RUN_ID", default_factory=list, show_default=False, help="Only these runs; else all."),
    ],
    overlays: Overlays,
    overrides: Overrides,
) -> int:
    """Send to the tracking store what runs recorded while it was away."""
    params = load_params(overlays, overrides)
    data = DataFolder(Path(params.data.directory))
    found = [box for box in outboxes(data) if not run_ids or box.folder.name in run_ids]
    for box in found:
        box.restore()
    waiting = [box for box in found if box.pending()]
    if not waiting:
        print(f"nothing waits in {data.outboxes}")
    return max([_sync(box, data, params.tracking) for box in waiting], default=0)


def _sync(box: Outbox, data: DataFolder, params: TrackingParams) -> int:
    """Send what waits in `box` and print a line; return 1 when something still waits."""
    with interruptible():
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
