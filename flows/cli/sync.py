"""`charrnn sync`: send what runs recorded while their tracking store was away."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from charrnn.config.loading import load_params
from charrnn.config.redaction import redact
from charrnn.config.schema import TrackingParams
from charrnn.data.folder import DataFolder
from charrnn.errors import ParamsError, TrackingError
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible
from flows.naming import sync_command
from tasks.tracking.address import tracking_uri
from tasks.tracking.outbox.messages import in_words
from tasks.tracking.outbox.queue import Outbox, outboxes

EXAMPLES = [
    ("", "everything that waits under the data folder"),
    ("RUN_ID", "what one run recorded"),
    ("--set tracking.uri=http://other:5000", "to a server that has moved"),
    ("--discard RUN_ID", "of a run that was deleted in MLflow: sends nothing"),
]
NOTES = "Exit code 0: nothing waits any more. 1: the store does not answer, or refuses something."


def sync(
    *,
    run_ids: Annotated[
        list[str],
        typer.Argument(metavar="RUN_ID", default_factory=list, show_default=False, help="Only these runs; else all."),
    ],
    discard: Annotated[
        list[str],
        typer.Option(
            metavar="RUN_ID",
            default_factory=list,
            show_default=False,
            help="Throw away what this run recorded, for good, and say what that was; may be given several times.",
        ),
    ],
    overlays: Overlays,
    overrides: Overrides,
) -> int:
    """Send to the tracking store what runs recorded while it was away."""
    if run_ids and discard:
        raise ParamsError("--discard: not allowed with RUN_ID, which is sent")
    params = load_params(overlays, overrides)
    data = DataFolder(Path(params.data.directory))
    if discard:
        return _discard(discard, data, params.tracking)
    found = [box for box in outboxes(data) if not run_ids or box.folder.name in run_ids]
    for box in found:
        box.restore()
    waiting = [box for box in found if box.pending()]
    if not waiting:
        print(f"nothing waits in {data.outboxes}")
    return max([_sync(box, data, params.tracking) for box in waiting], default=0)


def _discard(run_ids: list[str], data: DataFolder, params: TrackingParams) -> int:
    """Throw away what waits for `run_ids`, which the store has no more, and print a line for each.

    Raises:
        ParamsError: before any; one has nothing that waits, or is still in its store.
        TrackingError: before any; a store does not answer.
        FileError: an outbox cannot be removed.
    """
    with interruptible():
        from tasks.tracking.mlflow import RunGoneError, run_at

    boxes = {box.folder.name: box for box in outboxes(data)}
    for run_id in run_ids:
        if run_id not in boxes:
            raise ParamsError(f"--discard {run_id}: no run of that id has anything in {data.outboxes}")
        uri, own = _address(boxes[run_id], params), boxes[run_id].address
        if redact(uri) != own:
            raise ParamsError(f"--discard {run_id}: what waits is for {own}, which alone can say that the run is gone")
        with suppress(RunGoneError):
            run_at(uri, run_id, data)
            again = f"{sync_command(data.path)} {run_id}"
            raise ParamsError(f"--discard {run_id}: the run is still in {redact(uri)}; send what waits: {again}")
    for run_id in dict.fromkeys(run_ids):
        box = boxes[run_id]
        box.restore()
        number, what = len(box.pending()), in_words(box.messages())
        box.throw_away()
        print(f"{run_id}  {number} operations thrown away: {what}")
    return 0


def _sync(box: Outbox, data: DataFolder, params: TrackingParams) -> int:
    """Send what waits in `box` and print a line; return 1 when something still waits."""
    with interruptible():
        from tasks.tracking.mlflow import RunGoneError, run_at
        from tasks.tracking.tracker import send_pending

    run_id = box.folder.name
    try:
        uri = _address(box, params)
        sent = send_pending(run_at(uri, run_id, data))
    except RunGoneError as error:
        kept = f"{box.kept()} operations are kept in {box.folder}"
        command = f"{sync_command(data.path)} --discard {run_id}"
        print(f"error: run {run_id}: {error}; {kept}; throw them away with: {command}", file=sys.stderr)
        return 1
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
