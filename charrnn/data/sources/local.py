"""Files on this machine: a path, a glob of several, or either of them as a file:// URL."""

import glob
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

from charrnn.config.redaction import one_line
from charrnn.data.archives import members_of
from charrnn.data.limits import Limits
from charrnn.data.sources.source import NO_SCHEME, Fetched, OnProgress, Source, UnreachableError
from charrnn.errors import CorpusError, SourceError

_SCHEME = "file"
# RFC 8089; a host other than this machine would be a file elsewhere.
_URL = re.compile(r"file:(?://(?:localhost)?)?(?P<path>/(?!/).*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class LocalSource(Source):
    """The file at a path, or all that a glob matches."""

    schemes: ClassVar[tuple[str, ...]] = (NO_SCHEME, _SCHEME)
    is_local: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self._is_url and not _URL.fullmatch(self.location):
            raise SourceError(f"{self.name}: a file URL must be file:///PATH")
        if "\0" in self.location or "\0" in self.path:
            raise SourceError(f"{self.name}: a path cannot have NUL in it")
        try:
            os.fsencode(self.path)
        except UnicodeEncodeError:
            raise SourceError(f"{self.name}: a path cannot have half a surrogate pair in it") from None

    @classmethod
    def form(cls) -> str:
        """Return how lines of this kind are written, for messages."""
        return "a path or glob of files, or file:///PATH"

    @property
    def path(self) -> str:
        """The path or glob: of a URL decoded, else with `~` expanded."""
        url = _URL.fullmatch(self.location)
        # A byte that is no UTF-8, which no parameter can hold, may be written as %XX.
        return unquote(url["path"], errors="surrogateescape") if url else os.path.expanduser(self.location)

    @property
    def _is_url(self) -> bool:
        return self.location.lower().startswith(f"{_SCHEME}:")

    def fetch(self, part: Path, limits: Limits, on_progress: OnProgress | None) -> tuple[Fetched, ...]:
        """Find its files; they stay where they are. See `Source.fetch`."""
        try:
            named = [(one_line(str(file)), file) for file in self.files()]
            return tuple(Fetched(name, file, members_of(file, file.name, name)) for name, file in named)
        except OSError as error:
            raise UnreachableError(error.strerror or str(error)) from None

    def files(self) -> list[Path]:
        """Return the files of the path or glob in the order of their names, each readable and not empty.

        Raises:
            UnreachableError: no file matches the glob.
            OSError: one is not there or cannot be read.
            SourceError: a directory, not a file, or a checksum for several files.
            CorpusError: one is empty.
        """
        paths = [Path(self.path)]
        # File names may contain brackets: a path is a glob only where no file has exactly this name.
        if glob.has_magic(self.path) and not os.path.lexists(self.path):
            matches = sorted(glob.glob(self.path, recursive=True))
            paths = [Path(match) for match in matches if not os.path.isdir(match)]
            if not paths:
                raise UnreachableError("no file matches")
        if self.sha256 and len(paths) > 1:
            raise SourceError(f"{self.name}: a checksum is of one file, and {len(paths)} match")
        for path in paths:
            _check(path)
        return paths


def _check(path: Path) -> None:
    name = one_line(str(path))
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise SourceError(f"{name}: is a directory; the texts in it are {name.rstrip('/')}/*.txt")
    if not stat.S_ISREG(mode):
        raise SourceError(f"{name}: is not a file")
    with open(path, "rb") as file:
        if not file.read(1):
            raise CorpusError(f"{name}: is empty")
