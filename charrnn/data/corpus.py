"""Fetches the text from the first source that answers, checks it and keeps it: the second time needs no network.

Knows no encodings and no vocabulary; a text is files of bytes here.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from filelock import FileLock

from charrnn.config.schema import DataParams
from charrnn.data.archives import Member, read_bytes
from charrnn.data.folder import DataFolder
from charrnn.data.limits import MEGABYTE, Limits, too_large
from charrnn.data.sources import parse_source
from charrnn.data.sources.source import Fetched, OnProgress, Source, UnreachableError
from charrnn.data.text_file import TextFile, file_sha256
from charrnn.errors import CorpusError, SourceError
from charrnn.files import atomic_file, explain, sweep, workspace, write_text

CONVERSION = 2
"""Version of how a fetched file becomes files of text; raise it when `archives` or `plays` changes what comes out."""


@dataclass(frozen=True)
class Corpus:
    """A text, as the bytes of its files, and where it came from."""

    files: tuple[TextFile, ...]
    """In order; none where a run goes on with what it has encoded, and nothing was fetched."""
    sha256: str
    """Hexadecimal digest of the only file; of several, the digest of the JSON list of their digests."""
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
    raise _no_answer(warnings)


def check_local_sources(params: DataParams) -> tuple[str, ...]:
    """Check that a source may answer, as far as that can be told without asking any other machine.

    Returns:
        A line for each local source that does not answer, before the first source that may, credentials redacted.

    Raises:
        SourceError: all are local and none answers, or one is malformed or no file of text.
        CorpusError: a file is empty.
    """
    limits = _limits(params)
    problems: list[str] = []
    for source in map(parse_source, params.sources):
        if not source.is_local:
            return tuple(problems)
        try:
            source.fetch(Path(os.devnull), limits, None)  # finds its files; reads none
        except UnreachableError as error:
            problems.append(f"{source.name}: {error}")
        else:
            return tuple(problems)
    raise _no_answer(problems)


def _no_answer(problems: Sequence[str]) -> SourceError:
    return SourceError(f"no source of text answers: {'; '.join(problems)}")


def _limits(params: DataParams) -> Limits:
    return Limits(int(params.max_megabytes * MEGABYTE), params.timeout_seconds)


class _Cache:
    """The texts that are kept in `params.directory`: finds them by their source, fetches those that are missing."""

    def __init__(self, params: DataParams, on_progress: OnProgress | None) -> None:
        self.limits = _limits(params)
        self.on_progress = on_progress
        self.folder = DataFolder(Path(params.directory))

    def find(self, source: Source) -> Corpus | None:
        """Return the text that was fetched from `source` before; None if it is not there or damaged."""
        try:
            index = json.loads(self._index(source).read_text(encoding="utf-8"))
            files = [TextFile(e["name"], self._text(e["sha256"]), e["sha256"], e["size"]) for e in index["files"]]
            return _corpus(files, source, cached=True) if files and all(map(_is_whole, files)) else None
        except (OSError, ValueError, KeyError, TypeError):
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

    def _keep(self, source: Source, fetched: Sequence[Fetched]) -> Corpus:
        """Return the text of what was fetched: plain local files where they are, all others as files of the cache."""
        found = [
            TextFile(file.name, file.path, digest, size)
            for file, (digest, size) in zip(fetched, _checked(fetched, source), strict=True)
        ]
        if source.is_local and all(file.members is None for file in fetched):
            return _corpus(found, source, cached=True)
        files: list[TextFile] = []
        with workspace(self.folder.downloads) as stage:
            left = self.limits.max_bytes
            for file, whole in zip(fetched, found, strict=True):
                if source.is_local and file.members is None:
                    files.append(whole)
                    continue
                texts = self._stage(file, stage, left)
                left -= sum(text.size for text in texts)
                files += texts
            files = [self._store(file) if file.path.parent == stage else file for file in files]
        if not source.is_local:
            self._vouch(source, found[0].sha256, files)
        return _corpus(files, source, cached=False)

    def _stage(self, file: Fetched, stage: Path, max_bytes: int) -> list[TextFile]:
        """Write the texts in `file`, at most `max_bytes` in all, into the folder `stage`; empty ones are none."""
        texts: list[TextFile] = []
        for member in file.members or [Member(file.name, read_bytes(file.path))]:
            path, digest, size = stage / "text", hashlib.sha256(), 0
            with open(path, "wb") as opened:
                for piece in member.pieces:
                    size += len(piece)
                    if size > max_bytes:
                        raise too_large(file.name, self.limits.max_bytes, "unpacks to")
                    digest.update(piece)
                    opened.write(piece)
            max_bytes -= size
            if size:
                staged = path.with_name(digest.hexdigest())
                os.replace(path, staged)
                texts.append(TextFile(member.name, staged, digest.hexdigest(), size))
        if not texts:
            raise CorpusError(f"{file.name}: is empty")
        return texts

    def _store(self, file: TextFile) -> TextFile:
        """Move `file` into the cache, unless it is there already."""
        kept = replace(file, path=self._text(file.sha256))
        if not kept.path.exists() or not _is_whole(kept):
            with atomic_file(kept.path) as temporary:
                os.replace(file.path, temporary)
        return kept

    def _vouch(self, source: Source, digest: str, files: Sequence[TextFile]) -> None:
        """Write into the index that `source` gave `files`, which must be in the cache already."""
        index = {
            "source": source.name,
            "download_sha256": digest,
            "files": [{"name": file.name, "sha256": file.sha256, "size": file.size} for file in files],
        }
        path = self._index(source)
        _make(path.parent)
        sweep(path.parent)
        write_text(path, json.dumps(index, indent=2) + "\n")

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
    return hashlib.sha256(f"{source.identity}\n{CONVERSION}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _corpus(files: Sequence[TextFile], source: Source, cached: bool) -> Corpus:
    digests = [file.sha256 for file in files]
    sha256 = digests[0] if len(files) == 1 else hashlib.sha256(json.dumps(digests).encode()).hexdigest()
    size = sum(file.size for file in files)
    return Corpus(tuple(files), sha256, size, source.name, cached=cached, warnings=())


def _is_whole(file: TextFile) -> bool:
    return file.path.stat().st_size == file.size and file_sha256(file.path) == file.sha256


def _checked(files: Sequence[Fetched], source: Source) -> list[tuple[str, int]]:
    """Return the digest and the size (bytes) of each file fetched.

    Raises:
        CorpusError: one is empty.
        SourceError: the digest is not the one expected.
        UnreachableError: one cannot be read.
    """
    found = []
    try:
        for file in files:
            size = file.path.stat().st_size
            if not size:
                raise CorpusError(f"{file.name}: is empty")
            found.append((file_sha256(file.path), size))
    except OSError as error:
        raise UnreachableError(error.strerror or str(error)) from None
    if source.sha256 not in (None, *(digest for digest, _ in found)):
        raise SourceError(f"{source.name}: expected sha256 {source.sha256}, found {found[0][0]}")
    return found


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
