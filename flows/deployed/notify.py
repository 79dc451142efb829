"""The flow `notify`: send what happened to a model to the address in a Secret block, when an event says so."""

import logging
import sys
from pathlib import Path

# The worker imports this file alone: Python puts its folder on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from apprise import Apprise, AppriseAsset, NotifyFormat
from prefect import flow
from prefect.blocks.system import Secret
from prefect.states import Completed

import tasks  # noqa: F401  its settings keep requests to this machine away from every proxy
from charrnn.errors import ServerError

BLOCK = "charrnn-notify"
# Its lines name addresses, with their passwords.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


@flow(name="notify", retries=3, retry_delay_seconds=60, timeout_seconds=60)
def notify(event: str, text: str, page: str = "") -> str:
    """Send one message to the address in the Secret block `charrnn-notify`; none where there is no such block.

    Args:
        event: what happened, such as charrnn.promoted.
        text: the same in a sentence.
        page: address of the run in the MLflow UI.

    Raises:
        ServerError: the address is none, or does not take the message.
    """
    try:
        address = Secret.load(BLOCK).get()  # type: ignore[union-attr]  # the type names the answer to async callers, too
    except ValueError:
        # Prefect takes it for the state that the flow run ends in; nobody takes the value of a deployed run.
        return Completed(message=f"not sent: there is no Secret block {BLOCK}")  # type: ignore[return-value]
    # A redirect would turn the message into a request for another page, which may well be answered.
    receiver = Apprise(asset=AppriseAsset(http_redirects=False))
    # Not in the messages: the address may hold a password.
    if not receiver.add(str(address)):
        raise ServerError(f"Secret block {BLOCK}: must be an address that Apprise knows, such as mailtos:// or json://")
    if not receiver.notify(body=f"{text}\n{page}".strip(), title=event, body_format=NotifyFormat.TEXT):
        raise ServerError(f"Secret block {BLOCK}: its address did not take the message")
    return f"sent: {event}"
