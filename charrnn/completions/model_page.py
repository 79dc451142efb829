"""The page of a model at `/`."""

import html

from charrnn.generation.writer import Writer
from charrnn.pages import page


def model_page(_writer: Writer, title: str) -> str:
    """Return the page of a model, which writes in the browser."""
    return page(title, f"<main><h1>{html.escape(title)}</h1></main>", styles=[], scripts=[])
