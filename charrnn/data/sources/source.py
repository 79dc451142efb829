"""Sources of text: what one line of `data.sources` means. Nothing here opens a file or a connection."""

import os
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

import httpx

from charrnn.config.redaction import redact
from charrnn.errors import SourceError

_CHECKSUM = re.compile(r"#(?P<algorithm>sha\d*|md5)[=:](?P<digest>[^#]*)$", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
# The pattern keeps what begins with a dash from being read as an option by pip.
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?==[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


class Kind(Enum):
    """How a source is reached."""

    LOCAL = "local"
    URL = "url"
    PACKAGE = "package"


class UnreachableError(Exception):
    """A source does not answer; the message says why, without naming it. The next one is tried."""


@dataclass(frozen=True)
class Source:
    """One place to look for the text."""

    kind: Kind
    name: str
    """The source as it was written, credentials redacted: what messages and the cache call it."""
    location: str
    """The URL with its credentials, the path or glob with `~` expanded, or NAME==VERSION."""
    sha256: str | None
    """Expected digest of the fetched file, in lower case; None if it is not checked."""

    @property
    def file_name(self) -> str:
        """The last part of its path: what says that an archive is expected."""
        return PurePosixPath(httpx.URL(self.location).path if self.kind is Kind.URL else self.location).name


def parse_source(text: str) -> Source:
    """Read a line of `data.sources`.

    Raises:
        SourceError: it is none of a URL, a path and a package with its version, or its checksum is not a sha256.
    """
    name = one_line(text)
    location, digest = text.strip(), None
    if checksum := _CHECKSUM.search(location):
        if checksum["algorithm"].lower() != "sha256" or not _SHA256.fullmatch(checksum["digest"]):
            raise SourceError(f"{name}: a checksum must be #sha256= and 64 hexadecimal digits")
        location, digest = location[: checksum.start()], checksum["digest"].lower()
    if location.startswith("pypi:"):
        package = location.removeprefix("pypi:")
        if not _PACKAGE.fullmatch(package):
            raise SourceError(f"{name}: a package must be written pypi:NAME==VERSION")
        return Source(Kind.PACKAGE, name, package, digest)
    if _SCHEME.match(location):
        _check_url(location, name)
        return Source(Kind.URL, name, location, digest)
    if not location or "\0" in location:
        raise SourceError(f"{name or 'data.sources'}: must be a URL, a path, a glob or pypi:NAME==VERSION")
    return Source(Kind.LOCAL, name, os.path.expanduser(location), digest)


def one_line(text: str) -> str:
    """Return `text` on one line, credentials redacted: fit for a message."""
    return redact(" ".join(text.split()))


def _check_url(location: str, name: str) -> None:
    try:
        url = httpx.URL(location)
        host = url.host
    except (httpx.InvalidURL, UnicodeError) as error:  # a UnicodeError for a host that is not IDNA
        raise SourceError(f"{name}: is not a URL: {one_line(str(error))}") from None
    if url.scheme not in ("http", "https") or not host:
        raise SourceError(f"{name}: a URL must be http://HOST/... or https://HOST/...")
    if url.port is not None and not 0 < url.port < 2**16:
        raise SourceError(f"{name}: a port must be 1 to 65535, got {url.port}")
