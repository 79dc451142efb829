import gzip
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]  # it has no annotations
from fsspec.registry import known_implementations  # type: ignore[import-untyped]  # nor here

from charrnn.config.loading import PROJECT
from charrnn.config.schema import DataParams
from charrnn.data.corpus import Corpus, fetch_corpus
from charrnn.data.sources import parse_source
from charrnn.data.sources.cloud import CloudSource
from charrnn.errors import CorpusError, SourceError
from tests.source_fixtures import OTHER, TEXT, one_line, sha256, texts, zipped

Fetch = Callable[..., Corpus]


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    """The store of memory://, empty."""
    store = MemoryFileSystem()
    yield store
    store.store.clear()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def fetch(data: Path, store: MemoryFileSystem) -> Fetch:
    def fetch(*sources: str | Path, **changes: Any) -> Corpus:
        params = DataParams(sources=tuple(map(str, sources)), directory=str(data), timeout_seconds=20)
        return fetch_corpus(params.model_copy(update=changes))

    return fetch


class StrangeStore(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no annotations
    """A store that does as it is told when a file is opened."""

    protocol = "strange"
    behaviour: Callable[[str], None]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.replace("strange://", "memory://"))
        return stripped

    def _open(self, path: str, *args: Any, **kwargs: Any) -> Any:
        StrangeStore.behaviour(path)
        return super()._open(path, *args, **kwargs)


def raising(error: Exception) -> Callable[[str], None]:
    def behaviour(path: str) -> None:
        raise error

    return behaviour


@pytest.fixture
def strange(store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch) -> type[StrangeStore]:
    """Return the store of strange://, which fsspec knows as long as the test runs; it holds what memory:// does."""
    monkeypatch.setitem(known_implementations, "strange", {"class": f"{__name__}.StrangeStore"})
    return StrangeStore


def kept(data: Path) -> list[str]:
    return sorted(path.name for path in data.rglob("*") if path.is_file() and path.suffix != ".lock")


def everything_in(data: Path) -> str:
    return "".join(f"{path} {path.read_text() if path.is_file() else ''}" for path in data.rglob("*"))


# Fetching


def test_the_file_at_a_url_is_the_text(data: Path, fetch: Fetch, store: MemoryFileSystem) -> None:
    store.pipe("/bucket/text.txt", TEXT)
    corpus = fetch("memory://bucket/text.txt")
    assert texts(corpus) == [TEXT]
    assert (corpus.sha256, corpus.size, corpus.cached) == (sha256(TEXT), len(TEXT), False)
    assert corpus.source == "memory://bucket/text.txt"
    assert fetch("MEMORY://bucket/text.txt").sha256 == sha256(TEXT)
    assert len(kept(data)) == 3  # the text, and two ways to write where it is from
    assert not list((data / "downloads").iterdir())


def test_the_second_run_needs_no_store_and_no_plug_in(fetch: Fetch, store: MemoryFileSystem) -> None:
    store.pipe("/bucket/text.txt", TEXT)
    first = fetch("memory://bucket/text.txt")
    store.rm("/bucket/text.txt")
    second = fetch("memory://bucket/text.txt")
    assert (second.files, second.cached) == (first.files, True)


def test_archives_open_as_those_of_other_sources(tmp_path: Path, fetch: Fetch, store: MemoryFileSystem) -> None:
    store.pipe("/b/text.gz", gzip.compress(TEXT))
    store.pipe("/b/text.zip", zipped(tmp_path / "t.zip", **{"a.txt": b"a\n", "b.txt": b"b\n"}).read_bytes())
    store.pipe("/b/page.gz?x=1", b"<html>")
    assert texts(fetch("memory://b/text.gz")) == [TEXT]
    assert texts(fetch("memory://b/text.zip")) == [b"a\n", b"b\n"]
    with pytest.raises(SourceError, match=r"^memory://b/page\.gz\?x=1: is named like a gzip archive and is none$"):
        fetch("memory://b/page.gz?x=1")


def test_progress_is_told_in_bytes_of_the_size_piece_by_piece(data: Path, store: MemoryFileSystem) -> None:
    text = b"0123456789" * 300_000
    store.pipe("/b/text.txt", text)
    told: list[tuple[int, int | None]] = []
    params = DataParams(sources=("memory://b/text.txt",), directory=str(data))
    corpus = fetch_corpus(params, lambda done, total: told.append((done, total)))
    assert texts(corpus) == [text]
    assert len(told) == 3
    assert told == sorted(told)
    assert told[-1] == (len(text), len(text))


def test_the_checksum_is_of_the_file_as_it_is_in_the_store(data: Path, fetch: Fetch, store: MemoryFileSystem) -> None:
    packed = gzip.compress(TEXT)
    store.pipe("/b/text.gz", packed)
    with pytest.raises(SourceError, match=f"expected sha256 {sha256(TEXT)}, found {sha256(packed)}"):
        fetch(f"memory://b/text.gz#sha256={sha256(TEXT)}")
    assert kept(data) == []
    assert fetch(f"memory://b/text.gz#sha256={sha256(packed)}").sha256 == sha256(TEXT)


@pytest.mark.parametrize(("says_size", "most"), [(True, 0), (False, 3_000_000)])
def test_a_file_too_large_is_an_error_that_leaves_nothing(
    data: Path, store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, says_size: bool, most: int
) -> None:
    store.pipe("/b/text.txt", bytes(9_000_000))
    if not says_size:
        monkeypatch.delattr("fsspec.implementations.memory.MemoryFile.size")
    told = [0]
    params = DataParams(sources=("memory://b/text.txt",), directory=str(data), max_megabytes=2)
    with pytest.raises(SourceError, match=r"^memory://b/text\.txt: has more than data.max_megabytes = 2 MB$"):
        fetch_corpus(params, lambda done, total: told.append(done))
    assert kept(data) == []
    assert max(told) <= most


def test_a_file_that_cannot_be_closed_has_come_all_the_same(
    fetch: Fetch, store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object) -> None:
        raise OSError("gone")

    store.pipe("/b/text.txt", TEXT)
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFile.close", refuse)
    assert fetch("memory://b/text.txt").sha256 == sha256(TEXT)


def test_an_archive_that_unpacks_to_too_much_is_an_error(data: Path, fetch: Fetch, store: MemoryFileSystem) -> None:
    store.pipe("/b/text.gz", gzip.compress(bytes(3_000_000)))
    with pytest.raises(SourceError, match=r"unpacks to more than data.max_megabytes = 0.1 MB$"):
        fetch("memory://b/text.gz", max_megabytes=0.1)
    assert kept(data) == []


def test_an_empty_file_is_an_error(fetch: Fetch, store: MemoryFileSystem) -> None:
    store.pipe("/b/text.txt", b"")
    with pytest.raises(CorpusError, match=r"^memory://b/text\.txt: is empty$"):
        fetch("memory://b/text.txt")


# What does not answer


def test_what_is_not_there_is_a_warning_and_the_next_is_used(tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / "mine.txt").write_bytes(OTHER)
    corpus = fetch("memory://b/text.txt", tmp_path / "mine.txt")
    assert corpus.sha256 == sha256(OTHER)
    assert corpus.warnings == ("memory://b/text.txt: FileNotFoundError: /b/text.txt",)


@pytest.mark.parametrize(
    ("url", "module", "command"),
    [
        ("s3://bucket/text.txt", "s3fs", "python -m pip install s3fs"),
        ("gs://bucket/text.txt", "gcsfs", "python -m pip install gcsfs"),
        ("az://container/text.txt", "adlfs", "python -m pip install adlfs"),
        ("sftp://host/text.txt", "paramiko", "python -m pip install 'fsspec[sftp]'"),
    ],
)
def test_a_plug_in_that_is_missing_is_named_with_how_to_get_it(
    fetch: Fetch, url: str, module: str, command: str
) -> None:
    if find_spec(module):
        pytest.skip(f"{module} is installed")
    with pytest.raises(SourceError) as caught:
        fetch(url)
    assert one_line(caught.value).startswith(f"no source of text answers: {url}: ")
    assert one_line(caught.value).endswith(f": {command}")
    assert module in one_line(caught.value)


def test_whatever_a_store_raises_is_unreachable_on_one_line(fetch: Fetch, strange: type[StrangeStore]) -> None:
    class NoCredentialsError(Exception):
        pass

    strange.behaviour = staticmethod(raising(NoCredentialsError("Unable to locate\n credentials")))
    with pytest.raises(SourceError) as caught:
        fetch("strange://b/text.txt")
    expected = "no source of text answers: strange://b/text.txt: NoCredentialsError: Unable to locate credentials"
    assert one_line(caught.value) == expected


def test_a_store_that_stays_silent_is_unreachable(fetch: Fetch, strange: type[StrangeStore]) -> None:
    silent, waited = threading.Event(), []
    strange.behaviour = staticmethod(lambda path: waited.append(silent.wait()))
    try:
        with pytest.raises(SourceError, match=r"strange://b/text\.txt: no answer within 0\.1 s$"):
            fetch("strange://b/text.txt", timeout_seconds=0.1)
    finally:
        silent.set()


# What is refused


@pytest.mark.parametrize(
    "url", ["zip://a.txt::file:///etc/passwd", "simplecache::s3://b/a.txt", "memory::file:///etc/passwd"]
)
def test_a_chain_of_urls_is_refused(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_source(url)
    assert one_line(caught.value) == f"{url}: a chain of URLs is not opened; name the file itself"


@pytest.mark.parametrize("scheme", ["local", "zip", "reference", "dir", "simplecache"])
def test_a_view_of_this_machine_or_of_another_store_is_refused(scheme: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_source(f"{scheme}:///etc/passwd")
    assert one_line(caught.value).startswith(f"{scheme}:///etc/passwd: {scheme}:// is not a store")


def test_a_scheme_that_nothing_opens_is_refused_with_those_there_are() -> None:
    with pytest.raises(SourceError) as caught:
        parse_source("nope://host/text.txt")
    text = one_line(caught.value)
    assert text.startswith("nope://host/text.txt: must be one of: ")
    assert all(form in text for form in ("az, ", " gs, ", " hf, ", " s3, ", "pypi:NAME==VERSION", "https://HOST/"))
    assert "simplecache" not in text


def test_a_file_url_is_a_local_file_and_not_one_of_a_store(tmp_path: Path, data: Path, fetch: Fetch) -> None:
    (tmp_path / "mine.txt").write_bytes(TEXT)
    assert fetch(f"file://{tmp_path}/mine.txt").files[0].path == tmp_path / "mine.txt"
    assert not data.exists()


# Credentials


SECRET = "memory://me:hunter%202@bucket/text.txt?token=hunter3"


def test_credentials_reach_the_store_and_nobody_else(data: Path, fetch: Fetch, strange: type[StrangeStore]) -> None:
    opened: list[str] = []
    strange.behaviour = staticmethod(opened.append)
    MemoryFileSystem().pipe("/me:hunter%202@bucket/text.txt?token=hunter3", TEXT)
    corpus = fetch(SECRET.replace("memory", "strange"))
    assert opened == ["/me:hunter%202@bucket/text.txt?token=hunter3"]
    assert corpus.source == "strange://***@bucket/text.txt?token=***"
    assert "hunter" not in f"{corpus} {everything_in(data)}"


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("/me:hunter%202@bucket/text.txt?token=hunter3"),
        PermissionError("login of me with 'hunter 2' failed"),
        ImportError(f"cannot open {SECRET}"),
        ValueError("hunter3 is no token"),
    ],
)
def test_credentials_are_in_no_error(fetch: Fetch, strange: type[StrangeStore], error: Exception) -> None:
    strange.behaviour = staticmethod(raising(error))
    with pytest.raises(SourceError) as caught:
        fetch(SECRET.replace("memory", "strange"))
    assert "***" in one_line(caught.value).partition("token=***: ")[2]
    assert "hunter" not in one_line(caught.value)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("az://one@account/text.txt", "az://two@account/text.txt"),
        ("github://me:one@main/text.txt", "github://me:two@main/text.txt"),
        ("s3://one/text.txt", "s3://two/text.txt"),
        ("hf://datasets/me/it@one/text.txt", "hf://datasets/me/it@two/text.txt"),
        ("s3://b/text.txt?versionId=1", "s3://b/text.txt?versionId=2"),
    ],
)
def test_two_places_are_two_in_the_cache(one: str, two: str) -> None:
    assert parse_source(one).identity != parse_source(two).identity


def test_credentials_are_not_in_the_name_in_the_cache() -> None:
    one, two = parse_source(SECRET), parse_source(SECRET.replace("hunter", "new"))
    assert isinstance(one, CloudSource)
    assert one.identity == two.identity


# Imports


def test_fsspec_is_imported_when_such_a_source_is_used_and_not_before() -> None:
    code = """
import sys
from charrnn.data.sources import parse_source
for line in ("https://host/a.txt", "pypi:a==1", "a.txt", "file:///a.txt"):
    parse_source(line)
print("fsspec" in sys.modules)
parse_source("s3://b/a.txt")
print("fsspec" in sys.modules, "s3fs" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\nTrue False\n"
