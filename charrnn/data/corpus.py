"""Fetches the text from the first source that answers, checks it and keeps it: the second time needs no network.

Knows no encodings and no vocabulary; a text is bytes here.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from filelock import FileLock

from charrnn.config.schema import DataParams
from charrnn.data.folder import DataFolder
from charrnn.data.limits import MEGABYTE, Limits, too_large
from charrnn.data.sources import parse_source
from charrnn.data.sources.source import Fetched, OnProgress, Source, UnreachableError
from charrnn.data.text_file import TextFile, file_sha256
from charrnn.errors import CorpusError, SourceError
from charrnn.files import atomic_file, explain, sweep, workspace, write_text

CONVERSION = 1
"""Version of how a fetched file becomes text; raise it when `archives` or `plays` changes what comes out."""


@dataclass(frozen=True)
class Corpus:
    """A text, as the bytes of its files, and where it came from."""

    files: tuple[TextFile, ...]
    """At least one, in order."""
    sha256: str
    """Hexadecimal digest of the only file; of several, the digest of their digests in order."""
    size: int
    """Size of the files (bytes)."""
    source: str
    """The source used, credentials redacted."""
    cached: bool
    """Whether nothing had to be fetched or unpacked."""
    warnings: tuple[str, ...]
    """One line for each source before it that did not answer, credentials redacted."""

    @property
    def label(self) -> str:
        """The source without its checksum, for people to read."""
        return self.source.partition("#sha256=")[0]


def fetch_corpus(params: DataParams, on_progress: OnProgress | None = None) -> Corpus:
    """Return the text of the first of `params.sources` that answers.

    What is in the cache needs no network: before any source is tried, the cache is searched for each source
    that stands before the first local one. Nothing is retried; a download that was cut off goes on at the next call.

    Args:
        params: the sources, in order, and the folder of the cache.
        on_progress: called for each piece of a download: bytes so far, bytes in all (None: unknown).

    Raises:
        SourceError: no source answers, or one is malformed, damaged, too large or not what its checksum says.
        CorpusError: a file is empty.
        FileError: the cache cannot be written.
    """
    sources = [parse_source(text) for text in params.sources]
    cache = _Cache(params, on_progress)
    for source in takewhile(lambda source: not source.is_local, sources):
        if corpus := cache.find(source):
            return corpus
    warnings: list[str] = []
    for source in sources:
        try:
            return replace(cache.fetch(source), warnings=tuple(warnings))
        except UnreachableError as error:
            warnings.append(f"{source.name}: {error}")
    raise SourceError(f"no source of text answers: {'; '.join(warnings)}")


class _Cache:
    """The texts that are kept in `params.directory`: finds them by their source, fetches those that are missing."""

    def __init__(self, params: DataParams, on_progress: OnProgress | None) -> None:
        self.limits = Limits(int(params.max_megabytes * MEGABYTE), params.timeout_seconds)
        self.on_progress = on_progress
        self.folder = DataFolder(Path(params.directory))

    def find(self, source: Source) -> Corpus | None:
        """Return the text that was fetched from `source` before; None if it is not there or damaged."""
        try:
            index = json.loads(self._index(source).read_text(encoding="utf-8"))
            path, size = self._text(index["text_sha256"]), index["size"]
            if path.stat().st_size == size and file_sha256(path) == index["text_sha256"]:
                file = TextFile(source.name, path, index["text_sha256"], size)
                return Corpus((file,), file.sha256, size, source.name, cached=True, warnings=())
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return None

    def fetch(self, source: Source) -> Corpus:
        """Return the text of `source`; raises UnreachableError if it does not answer."""
        part = self.folder.downloads / f"{_key(source)}.part"
        if source.is_local:
            return self._keep(source, source.fetch(part, self.limits, self.on_progress))
        with self._locked(source):
            # The process that held the lock may just have fetched it.
            if corpus := self.find(source):
                return corpus
            fetched = source.fetch(part, self.limits, self.on_progress)
            try:
                return self._keep(source, fetched)
            finally:
                _discard(part)

    def _keep(self, source: Source, fetched: Fetched) -> Corpus:
        """Return the text of what was fetched: the one file that is the text already, or a file of the cache."""
        digest, size = _checked(fetched.files, source)
        if fetched.is_text and len(fetched.files) == 1:
            file = TextFile(source.name, fetched.files[0], digest, size)
            return Corpus((file,), digest, size, source.name, cached=True, warnings=())
        sha256, size = self._store(source, fetched.text)
        if not source.is_local:
            self._vouch(source, digest, sha256, size)
        file = TextFile(source.name, self._text(sha256), sha256, size)
        return Corpus((file,), sha256, size, source.name, cached=fetched.is_text, warnings=())

    def _vouch(self, source: Source, digest: str, sha256: str, size: int) -> None:
        """Write into the index that `source` gave the text `sha256`, which must be in the cache already."""
        index = {"source": source.name, "download_sha256": digest, "text_sha256": sha256, "size": size}
        path = self._index(source)
        _make(path.parent)
        sweep(path.parent)
        write_text(path, json.dumps(index, indent=2) + "\n")

    def _store(self, source: Source, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Write `pieces` as a text of the cache; return its digest and its size (bytes)."""
        digest, size = hashlib.sha256(), 0
        with workspace(self.folder.downloads) as folder:
            stage = folder / "text"
            with open(stage, "wb") as file:
                for piece in pieces:
                    size += len(piece)
                    if size > self.limits.max_bytes:
                        raise too_large(source.name, self.limits.max_bytes, "unpacks to")
                    digest.update(piece)
                    file.write(piece)
            if not size:
                raise CorpusError(f"{source.name}: is empty")
            sweep(self.folder.corpora)
            with atomic_file(self._text(digest.hexdigest())) as temporary:
                os.replace(stage, temporary)
        return digest.hexdigest(), size

    @contextmanager
    def _locked(self, source: Source) -> Iterator[None]:
        """Keep other processes from fetching `source` at the same time; they wait."""
        _make(self.folder.corpora)
        lock = FileLock(self.folder.corpora / f"{_key(source)}.lock")
        try:
            lock.acquire()
        except OSError as error:
            raise explain(error, "lock", Path(lock.lock_file)) from error
        try:
            yield
        finally:
            lock.release()

    def _text(self, sha256: str) -> Path:
        return self.folder.corpora / f"{sha256}.txt"

    def _index(self, source: Source) -> Path:
        return self.folder.corpora / "sources" / f"{_key(source)}.json"


def _key(source: Source) -> str:
    """Return the name of `source` in the cache."""
    return hashlib.sha256(f"{source.identity}\n{CONVERSION}".encode()).hexdigest()[:32]


def _checked(files: Sequence[Path], source: Source) -> tuple[str, int]:
    """Return the digest of the file fetched, '' where there are several, and the size of all (bytes).

    Raises:
        CorpusError: one is empty.
        SourceError: the digest is not the one expected.
        UnreachableError: one cannot be read.
    """
    try:
        sizes = [file.stat().st_size for file in files]
        if not all(sizes):
            raise CorpusError(f"{source.name}: is empty")
        found = file_sha256(files[0]) if len(files) == 1 else ""
    except OSError as error:
        raise UnreachableError(error.strerror or str(error)) from None
    if source.sha256 not in (None, found):
        raise SourceError(f"{source.name}: expected sha256 {source.sha256}, found {found}")
    return found, sum(sizes)


def _discard(part: Path) -> None:
    """Remove `part` and what lies beside it under other suffixes."""
    for path in part.parent.glob(f"{part.stem}.*"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise explain(error, "remove", path) from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, "write", folder) from error
