"""A text file on this machine and who is told of its bytes; knows neither where it came from nor how it is encoded."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from charrnn.errors import ChangedError


@dataclass(frozen=True)
class TextFile:
    """One file of a text.

    Attributes:
        name: what messages call it: its path, or ARCHIVE: MEMBER; one line, credentials redacted.
        path: where its bytes are: a local file in its place, or a file of the cache.
        sha256: hex digest of the bytes.
        size: of the file (bytes).
        on_read: called with the bytes of each piece that is decoded, and with how many were before it.
    """

    name: str
    path: Path
    sha256: str
    size: int
    on_read: Callable[[int, bytes], None] = field(default=lambda offset, data: None, compare=False, repr=False)

    def check_unchanged(self) -> None:
        """Check that the file still holds the bytes that were fetched; others may write to a local one.

        Raises:
            ChangedError: it holds others.
            OSError: it cannot be read.
        """
        if file_sha256(self.path) != self.sha256:
            raise ChangedError(f"{self.name}: changed while it was read; run again")


def file_sha256(path: Path) -> str:
    """Return the hex SHA-256 of the file `path`."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
