"""A file on a web server, fetched into a file, going on where an earlier try was cut off."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

import httpx

from charrnn.config.redaction import one_line
from charrnn.data.archives import members_of
from charrnn.data.limits import Limits, too_large
from charrnn.data.sources.source import Fetched, OnProgress, Source, UnreachableError
from charrnn.errors import SourceError
from charrnn.files import explain

_CONTENT_RANGE = re.compile(r"bytes (\d+)-")
# httpx takes these before the proxies of the environment: none of them leads to this machine.
_WITHOUT_PROXY = dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]"))


@dataclass(frozen=True)
class HttpSource(Source):
    """The file at a URL."""

    schemes: ClassVar[tuple[str, ...]] = ("http", "https")

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.location)
            host = url.host
        except (httpx.InvalidURL, UnicodeError) as error:  # a UnicodeError for a host that is not IDNA
            raise SourceError(f"{self.name}: is not a URL: {one_line(str(error))}") from None
        if not host:
            raise SourceError(f"{self.name}: a URL must be {self.form()}")
        if url.port is not None and not 0 < url.port < 2**16:
            raise SourceError(f"{self.name}: a port must be 1 to 65535, got {url.port}")

    @classmethod
    def form(cls) -> str:
        """Return how lines of this kind are written, for messages."""
        return "http://HOST/... or https://HOST/..."

    @property
    def file_name(self) -> str:
        """The last part of the URL's path: its suffix may name an archive."""
        return PurePosixPath(httpx.URL(self.location).path).name

    def fetch(self, part: Path, limits: Limits, on_progress: OnProgress | None) -> tuple[Fetched, ...]:
        """Download it, or the rest of it. See `Source.fetch`."""
        Download(self.location, self.name, part, limits.max_bytes, limits.timeout).fetch(on_progress)
        return (Fetched(self.label, part, members_of(part, self.file_name, self.label)),)


@dataclass(frozen=True)
class Download:
    """One URL on its way into one file, byte for byte as served.

    The server's validator lies beside the file, in `.etag`, so that parts of two versions are never joined.
    """

    url: str
    """Where from, with its credentials."""
    name: str
    """What messages call it."""
    part: Path
    """The file to fill; what an earlier try left in it is not fetched again."""
    max_bytes: int
    """Largest file (bytes), checked before and while it streams."""
    timeout: float
    """Longest silence (s), when connecting and between two pieces."""

    def fetch(self, on_progress: OnProgress | None = None) -> None:
        """Fill `part`; when the connection is cut off, what came stays for the next try.

        Raises:
            UnreachableError: no connection, an HTTP error, or cut off.
            SourceError: larger than `max_bytes`; nothing stays.
            FileError: `part` cannot be written.
        """
        try:
            # Proxies and certificates named in the environment are read here, and may be wrong.
            client = httpx.Client(timeout=self.timeout, follow_redirects=True, mounts=_WITHOUT_PROXY)
        except (OSError, ValueError, ImportError) as error:
            raise UnreachableError(one_line(str(error))) from None
        try:
            with client:
                if not self._stream(client, on_progress):
                    self.discard()
                    self._stream(client, on_progress)
        except httpx.TimeoutException:
            raise UnreachableError(f"no answer within {self.timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # also of the address that a redirect gives
            raise UnreachableError(one_line(str(error)) or type(error).__name__) from None

    def discard(self) -> None:
        """Remove what was fetched. Raises FileError where it cannot be removed."""
        try:
            self.part.unlink(missing_ok=True)
            self._validator_file.unlink(missing_ok=True)
        except OSError as error:
            raise explain(error, "remove", self.part) from error

    def _stream(self, client: httpx.Client, on_progress: OnProgress | None) -> bool:
        """Return False if the server cannot go on where `part` ends, so that it must be fetched from its start."""
        done, validator = self._left()
        # Identity: the bytes on disk are then those that a Range counts and a checksum is of.
        headers = {"Accept-Encoding": "identity"}
        if done:
            headers["Range"] = f"bytes={done}-"
            if validator:
                headers["If-Range"] = validator
        with client.stream("GET", self.url, headers=headers) as response:
            partial = response.status_code == httpx.codes.PARTIAL_CONTENT
            if done and response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                return False
            if done and partial and _start(response) != done:
                return False
            if not response.is_success:
                raise UnreachableError(one_line(f"HTTP {response.status_code} {response.reason_phrase}"))
            if not partial:
                # The server ignores ranges, or has another version by now.
                done = 0
            if not done:
                self._begin(response)
            self._append(response, done, on_progress)
        return True

    def _append(self, response: httpx.Response, done: int, on_progress: OnProgress | None) -> None:
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else None
        if total is not None and total > self.max_bytes:
            self.discard()
            raise too_large(self.name, self.max_bytes)
        try:
            with open(self.part, "ab") as file:
                for piece in response.iter_raw():
                    done += len(piece)
                    if done > self.max_bytes:
                        break
                    file.write(piece)
                    if on_progress:
                        on_progress(done, total)
        except OSError as error:
            raise explain(error, "write", self.part) from error
        if done > self.max_bytes:
            self.discard()
            raise too_large(self.name, self.max_bytes)

    def _left(self) -> tuple[int, str]:
        """Return how many bytes an earlier try left in `part`, and the validator of the version they are from."""
        try:
            size = self.part.stat().st_size if self.part.exists() else 0
            known = size and self._validator_file.exists()
            return size, self._validator_file.read_text(encoding="latin-1") if known else ""
        except OSError as error:
            raise explain(error, "read", self.part) from error

    def _begin(self, response: httpx.Response) -> None:
        """Empty `part` and keep the validator: a strong ETag (a weak one does not identify bytes), else the date."""
        etag = response.headers.get("ETag", "")
        validator = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
        if not validator.isascii():  # could not be sent back as a header
            validator = ""
        self.discard()
        try:
            self.part.parent.mkdir(parents=True, exist_ok=True)
            if validator:
                self._validator_file.write_text(validator, encoding="latin-1")
        except OSError as error:
            raise explain(error, "write", self.part) from error

    @property
    def _validator_file(self) -> Path:
        return self.part.with_suffix(".etag")


def _start(response: httpx.Response) -> int | None:
    """Return the first byte that a partial `response` holds; None if it does not say."""
    content = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(content[1]) if content else None
