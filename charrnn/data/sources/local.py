"""Finds the files that a local source means. Knows nothing of what is in them."""

import glob
import os
import stat
from pathlib import Path

from charrnn.data.sources.source import Source, UnreachableError, one_line
from charrnn.errors import CorpusError, SourceError


def local_files(source: Source) -> list[Path]:
    """Return the files of a path or glob in the order of their names, each readable and not empty.

    Raises:
        UnreachableError: no file matches the glob.
        OSError: one is not there or cannot be read.
        SourceError: a directory, not a file, or a checksum for several files.
        CorpusError: one is empty.
    """
    paths = [Path(source.location)]
    # A file may have brackets in its name, so that a glob is only what is not there as it stands.
    if glob.has_magic(source.location) and not os.path.lexists(source.location):
        matches = sorted(glob.glob(source.location, recursive=True))
        paths = [Path(match) for match in matches if not os.path.isdir(match)]
        if not paths:
            raise UnreachableError("no file matches")
    if source.sha256 and len(paths) > 1:
        raise SourceError(f"{source.name}: a checksum is of one file, and {len(paths)} match")
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
