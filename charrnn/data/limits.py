"""What a source of text may take, and the error for one that is larger. Knows neither sources nor archives."""

from dataclasses import dataclass

from charrnn.errors import SourceError

MEGABYTE = 10**6


@dataclass(frozen=True)
class Limits:
    """What a source may take.

    Attributes:
        max_bytes: largest file, and largest text unpacked from it (bytes).
        timeout: longest silence (s).
    """

    max_bytes: int
    timeout: float


def too_large(name: str, max_bytes: int, verb: str = "has") -> SourceError:
    """Return the error for a source that has, or unpacks to, more than `max_bytes`."""
    return SourceError(f"{name}: {verb} more than data.max_megabytes = {max_bytes / MEGABYTE:g} MB")
