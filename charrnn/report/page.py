"""The page of a report: one HTML file that stands alone. Knows where a value is shown, not how it was measured."""

import html

from charrnn.pages import page, resource
from charrnn.report.contents import Contents
from charrnn.report.values import page_values

SCRIPTS = ("text_view", "chart", "facts", "surprisal", "cells", "memory", "copying", "history", "characters")
"""Each shows one section, after the two that hold what several use."""


def render(contents: Contents) -> str:
    """Return the page."""
    package = __package__ or ""
    name = html.escape(contents.subject.name).encode("ascii", "xmlcharrefreplace").decode()
    return page(
        f"Report: {contents.subject.name}",
        resource("report.html", package).replace("{name}", name),
        styles=[resource("report.css", package)],
        scripts=[resource(f"{script}.js", package) for script in SCRIPTS],
        data=page_values(contents),
    )
