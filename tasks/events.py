"""What happens to a model, as events of Prefect that automations can answer: `charrnn.promoted` and others."""

from typing import Literal

from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

from charrnn.config.redaction import redact
from tasks.tracking.runs import RunRef

Event = Literal["promoted", "diverged", "drift"]


def announce(event: Event, run: RunRef, text: str) -> None:
    """Tell Prefect of an event, in the background: nothing waits for the server, and nothing fails where it is away.

    Args:
        event: what happened; Prefect has it as `charrnn.EVENT`.
        run: it happened to; the event's resource is `charrnn.run.RUN_ID`.
        text: one sentence, the event's `text`. Its `page` is the run in the MLflow UI; '' without a tracking server.
    """
    if not PREFECT_API_URL.value():
        return  # Prefect would start a server
    page = redact(run.uri).rstrip("/") + run.ui_path if run.uri.startswith(("http:", "https:")) else ""
    resource = {"prefect.resource.id": f"charrnn.run.{run.run_id}", "prefect.resource.name": run.run_id}
    emit_event(f"charrnn.{event}", resource, payload={"text": redact(text), "page": page})
