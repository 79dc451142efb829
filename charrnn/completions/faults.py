"""Faults of this program and of what it stands on, in a line for those who run the server; clients are not told."""

import logging
import traceback
from pathlib import Path

from charrnn.config.redaction import redact
from charrnn.errors import CharrnnError


def in_one_line(error: BaseException) -> str:
    """Return what was raised, and where: `KeyError: 'a' (app.py:12)`; of a `CharrnnError`, what it says."""
    kind, said = type(error).__name__, " ".join(redact(str(error)).split())
    if isinstance(error, CharrnnError):
        return said
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return (f"{kind}: {said}" if said else kind) + where


class OneLine(logging.Formatter):
    """Writes a record as one line, whatever was raised."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        error = record.exc_info[1] if record.exc_info else None
        what = " ".join(record.getMessage().split())
        return f"{record.levelname.lower():<9} {what}" + (f": {in_one_line(error)}" if error else "")
