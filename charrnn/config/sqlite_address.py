"""Addresses of SQLite files, as SQLAlchemy reads them: it takes what follows a question mark for options.

A path that SQLAlchemy would not read is written as SQLite's own URI (https://www.sqlite.org/uri.html), in which every
byte can be escaped.
"""

import os
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from charrnn.undecodable import escaped


def sqlite_address(path: str | Path, driver: str = "pysqlite") -> str:
    """Return the address of the SQLite file `path`.

    Args:
        path: absolute, or relative to the working directory of who opens it.
        driver: SQLAlchemy's name of the module that opens it; it is named where the address would else be another.

    >>> sqlite_address("/a b#%/runs.db"), sqlite_address("/what?/runs.db")
    ('sqlite:////a b#%/runs.db', 'sqlite+pysqlite:///file:/what%3F/runs.db?uri=true')
    """
    text = str(path)
    if "?" not in text and escaped(text) == text:
        return f"sqlite:///{text}" if driver == "pysqlite" else f"sqlite+{driver}:///{text}"
    # With its driver: MLflow makes the folder that it reads out of an address without one, here a wrong one.
    return f"sqlite+{driver}:///file:{quote(os.fsencode(text))}?uri=true"


def sqlite_file(address: str) -> Path | None:
    """Return the file of a SQLite address, whoever wrote it; None for another address."""
    scheme, is_local, rest = address.partition(":///")
    if not is_local or scheme.partition("+")[0] != "sqlite":
        return None
    database, _, options = rest.partition("?")
    if database.startswith("file:") and "true" in parse_qs(options).get("uri", []):
        return Path(unquote(urlsplit(database).path, errors="surrogateescape"))
    return Path(database)
