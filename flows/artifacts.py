"""What a flow run leaves on its page in Prefect: texts and links. None ends for want of one."""

import logging
from collections.abc import Callable

import httpx
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from charrnn.config.redaction import one_line
from flows.deployed.server import answered

logger = logging.getLogger("charrnn")


def leave_page(markdown: str, key: str, description: str) -> None:
    """Leave a text; where the server does not take it for a minute, warn, and go on without."""
    _leave(lambda: create_markdown_artifact(markdown, key=key, description=description), key)


def leave_link(address: str, text: str, key: str) -> None:
    """Leave a link, as `leave_page` does a text."""
    _leave(lambda: create_link_artifact(address, link_text=text, key=key), key)


def _leave(create: Callable[[], object], key: str) -> None:
    try:
        answered(lambda _: create())
    except httpx.HTTPError as error:
        logger.warning("warning   the page of the flow run has no '%s': %s", key, one_line(str(error)))
