"""HTML pages that stand alone: one file with its styles, scripts and data, which opens from a folder, offline.

Text from a corpus is hostile. It reaches a page as JSON that cannot end its element (`as_json`), and scripts show it
with textContent alone. A page's content security policy forbids whatever comes from elsewhere.
"""

import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "worker-src blob:; base-uri 'none'; form-action 'none'"
)
TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}
{data}
{scripts}
</body>
</html>
"""
# What would end the element, begin a comment in it, or end a line of a script.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def page(
    title: str, body: str, *, styles: Sequence[str], scripts: Sequence[str], data: Mapping[str, Any] | None = None
) -> str:
    """Return a page.

    Args:
        title: plain text.
        body: HTML that is trusted: what comes from a corpus or a person was escaped, or is in `data`.
        styles: CSS, after that of every page (`base.css`).
        scripts: JavaScript, after that of every page (`base.js`), each in an element of its own, in order.
        data: id -> value, which scripts read with `readData(id)`; see `as_json`.

    Raises:
        ValueError: a number of `data` is not finite.
    """
    elements = [
        f'<script type="application/json" id="{html.escape(name)}">{as_json(value)}</script>'
        for name, value in (data or {}).items()
    ]
    return TEMPLATE.format(
        policy=html.escape(POLICY),
        title=html.escape(title).encode("ascii", "xmlcharrefreplace").decode(),  # any character, a surrogate too
        style="\n".join([resource("base.css"), *styles]),
        body=body,
        data="\n".join(elements),
        scripts="\n".join(f"<script>\n{script}</script>" for script in [resource("base.js"), *scripts]),
    )


def as_json(value: Any) -> str:
    """Return `value` as JSON in ASCII that can stand in any HTML element, whatever texts it holds.

    Raises:
        ValueError: it holds a number that is not finite; null stands for one that is missing.
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def resource(name: str, package: str = __name__) -> str:
    """Return the text of file `name` beside the code of `package`."""
    return files(package).joinpath(name).read_text(encoding="utf-8")
