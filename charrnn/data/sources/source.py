"""What the kinds of source have in common, and how a checksum is written. Knows none of them."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from charrnn.data.archives import Member
from charrnn.data.limits import Limits
from charrnn.errors import SourceError

OnProgress = Callable[[int, int | None], None]
"""Called with the bytes so far and the bytes in all (None: unknown)."""

NO_SCHEME, ANY_SCHEME = "", "*"
"""Among the schemes of a kind: it takes lines without a scheme; lines whose scheme no other kind has."""

_CHECKSUM = re.compile(r"#(?P<algorithm>sha\d*|md5)[=:](?P<digest>[^#]*)$", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)


class UnreachableError(Exception):
    """A source does not answer; the message says why, without naming it. The next one is tried."""


@dataclass(frozen=True)
class Fetched:
    """One file that a source gave.

    Attributes:
        name: what messages call it.
        path: where it is, on this machine.
        members: the texts in it, to be read once; None where the file itself is the text.
    """

    name: str
    path: Path
    members: Iterator[Member] | None


@dataclass(frozen=True)
class Source(ABC):
    """One place to look for the text; a subclass for each kind of place.

    Attributes:
        name: the line as it was written, credentials redacted: what messages call it.
        location: the line without its checksum, with its credentials.
        sha256: expected digest of the one file fetched, in lower case; None if it is not checked.

    Making one raises SourceError where the kind does not take such a location.
    """

    schemes: ClassVar[tuple[str, ...]]
    """What begins the lines of this kind, in lower case; see NO_SCHEME and ANY_SCHEME."""
    is_local: ClassVar[bool] = False
    """Whether its files lie on this machine: they are read where they are, and never taken from the cache."""

    name: str
    location: str
    sha256: str | None

    @classmethod
    def knows(cls, scheme: str) -> bool:
        """Return whether there is such a scheme; a kind for any scheme has to check."""
        return True

    @classmethod
    @abstractmethod
    def form(cls) -> str:
        """Return how lines of this kind are written, for messages."""

    @property
    def label(self) -> str:
        """The name without the checksum: what messages call the file fetched."""
        return split_checksum(self.name, self.name)[0]

    @property
    def identity(self) -> str:
        """The key of its text in the cache; without credentials, which could be guessed from a digest."""
        return self.name

    @abstractmethod
    def fetch(self, part: Path, limits: Limits, on_progress: OnProgress | None) -> tuple[Fetched, ...]:
        """Fetch its files, at least one, in order.

        Args:
            part: the file to download into; its folder need not exist. It may hold, also beside it under other
                suffixes, what a download that was cut off has left, and the caller removes it.
            limits: what it may take.
            on_progress: called for each piece of a download.

        Raises:
            UnreachableError: it does not answer.
            SourceError: it is too large, or not what it should be.
            FileError: `part` cannot be written.
        """


def split_checksum(text: str, name: str) -> tuple[str, str | None]:
    """Return `text` without the checksum at its end, and that in lower case; None where there is none.

    Raises:
        SourceError: it is not `#sha256=` and 64 hexadecimal digits; `name` is what the message calls the source.
    """
    checksum = _CHECKSUM.search(text)
    if not checksum:
        return text, None
    if checksum["algorithm"].lower() != "sha256" or not _SHA256.fullmatch(checksum["digest"]):
        raise SourceError(f"{name}: a checksum must be #sha256= and 64 hexadecimal digits")
    return text[: checksum.start()], checksum["digest"].lower()
