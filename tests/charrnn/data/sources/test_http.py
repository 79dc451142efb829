import gzip
import os
import socket
from pathlib import Path

import httpx
import pytest

from charrnn.data.limits import Limits
from charrnn.data.sources.http import Download, HttpSource
from charrnn.data.sources.source import Fetched, UnreachableError
from charrnn.errors import FileError, SourceError
from tests.source_fixtures import OTHER, TEXT, Site, dead_url, one_line, serving


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "text.part"


def download(site: Site, part: Path, max_bytes: int = 10**9) -> Download:
    return Download(site.url(), "the text", part, max_bytes, timeout=20)


def left_beside(part: Path) -> list[str]:
    return sorted(path.name for path in part.parent.iterdir())


def cut_off(site: Site, part: Path, after: int = 100) -> None:
    """Let a download lose its connection after so many bytes."""
    site.cut_after = after
    with pytest.raises(UnreachableError):
        download(site, part).fetch()
    assert part.read_bytes() == site.content[:after]
    site.cut_after = None
    site.requests.clear()


def test_a_download_is_the_bytes_as_they_are_served(site: Site, part: Path) -> None:
    site.content = bytes(range(256)) * 3000
    download(site, part).fetch()
    assert part.read_bytes() == site.content
    assert site.requests[0]["accept-encoding"] == "identity"
    assert left_beside(part) == [part.name]


def test_redirects_are_followed(site: Site, part: Path) -> None:
    site.moved_to = "/elsewhere.txt"
    download(site, part).fetch()
    assert part.read_bytes() == TEXT


@pytest.mark.parametrize("says_length", [True, False])
def test_progress_is_told_in_bytes_of_the_total_if_that_is_known(site: Site, part: Path, says_length: bool) -> None:
    site.content, site.says_length = TEXT * 1000, says_length
    told: list[tuple[int, int | None]] = []
    download(site, part).fetch(lambda done, total: told.append((done, total)))
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1][0] == len(site.content)
    assert {total for _, total in told} == {len(site.content) if says_length else None}


# No answer


@pytest.mark.parametrize(("status", "reason"), [(404, "HTTP 404 Not Found"), (503, "HTTP 503 Service Unavailable")])
def test_an_http_error_is_unreachable(site: Site, part: Path, status: int, reason: str) -> None:
    site.status = status
    with pytest.raises(UnreachableError, match=f"^{reason}$"):
        download(site, part).fetch()
    assert not part.exists()


def test_a_closed_port_is_unreachable(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(UnreachableError, match="refused"):
        Download(dead_url(), "the text", part, 10**9, timeout=20).fetch()


def test_a_silent_server_is_unreachable(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(UnreachableError, match=r"^no answer within 0\.2 s$"):
            Download(url, "the text", part, 10**9, timeout=0.2).fetch()


@pytest.mark.parametrize("moved_to", ["ftp://host/text.txt", "http://[/", "mailto:x", "http://xn--a/", "/text.txt#"])
def test_a_redirect_to_nowhere_or_in_a_circle_is_unreachable(site: Site, part: Path, moved_to: str) -> None:
    site.moved_to = moved_to
    with pytest.raises(UnreachableError):
        download(site, part).fetch()


def test_a_wrong_proxy_setting_is_unreachable(site: Site, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "nonsense://someone:hunter2@host")
    with pytest.raises(UnreachableError, match="nonsense") as caught:
        download(site, part).fetch()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "all_proxy"])
def test_no_proxy_leads_to_this_machine(site: Site, part: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for exception in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(exception, raising=False)
    with serving(Site(status=403)) as proxy:
        monkeypatch.setenv(name, f"http://{proxy.address}")
        download(site, part).fetch()
        assert part.read_bytes() == TEXT
        Download(site.url().replace("127.0.0.1", "localhost"), "the text", part, 10**9, timeout=20).fetch()
        assert proxy.requests == []
        part.unlink()
        with pytest.raises(UnreachableError, match=r"^HTTP 403 Forbidden$"):
            Download("http://text.example/play.txt", "the text", part, 10**9, timeout=20).fetch()
    assert [request["path"] for request in proxy.requests] == ["http://text.example/play.txt"]


def test_what_the_http_library_says_becomes_one_line_without_credentials(
    part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise httpx.ConnectError("no way to\nhttp://someone:hunter2@host/")

    monkeypatch.setattr(httpx.Client, "stream", refuse)
    with pytest.raises(UnreachableError, match=r"^no way to http://\*\*\*@host/$"):
        Download("http://host/", "the text", part, 10**9, timeout=20).fetch()


# Going on


def test_a_download_that_was_cut_off_goes_on_where_it_was(site: Site, part: Path) -> None:
    cut_off(site, part)
    told: list[tuple[int, int | None]] = []
    download(site, part).fetch(lambda done, total: told.append((done, total)))
    assert part.read_bytes() == TEXT
    (request,) = site.requests
    assert request["range"] == "bytes=100-"
    assert "if-range" not in request
    assert told[0][0] > 100
    assert told[-1] == (len(TEXT), len(TEXT))


@pytest.mark.parametrize(("etag", "date"), [('"one"', None), (None, "Mon, 01 Jan 2024 00:00:00 GMT")])
def test_going_on_is_on_condition_that_nothing_changed(
    site: Site, part: Path, etag: str | None, date: str | None
) -> None:
    site.etag, site.date = etag, date
    cut_off(site, part)
    download(site, part).fetch()
    assert part.read_bytes() == TEXT
    assert [request["if-range"] for request in site.requests] == [etag or date]


@pytest.mark.parametrize("etag", ['W/"one"', '"oné"'])
def test_a_weak_etag_or_one_that_cannot_be_sent_back_is_no_condition(site: Site, part: Path, etag: str) -> None:
    site.etag = etag
    cut_off(site, part)
    download(site, part).fetch()
    assert part.read_bytes() == TEXT
    assert "if-range" not in site.requests[0]


def test_a_file_that_changed_meanwhile_starts_again(site: Site, part: Path) -> None:
    site.etag = '"one"'
    cut_off(site, part)
    site.etag, site.content = '"two"', OTHER
    download(site, part).fetch()
    assert part.read_bytes() == OTHER


def test_a_new_version_that_is_cut_off_too_goes_on_from_itself(site: Site, part: Path) -> None:
    site.etag = '"one"'
    cut_off(site, part)
    site.etag, site.content = '"two"', OTHER
    cut_off(site, part, after=200)
    download(site, part).fetch()
    assert part.read_bytes() == OTHER
    assert [(request["range"], request["if-range"]) for request in site.requests] == [("bytes=200-", '"two"')]


def test_a_new_version_without_a_validator_forgets_the_old_one(site: Site, part: Path) -> None:
    site.etag = '"one"'
    cut_off(site, part)
    site.etag, site.content, site.ranges = None, OTHER, False
    cut_off(site, part, after=200)
    site.ranges = True
    download(site, part).fetch()
    assert part.read_bytes() == OTHER
    assert [(request["range"], request.get("if-range")) for request in site.requests] == [("bytes=200-", None)]


def test_a_server_that_ignores_ranges_starts_again(site: Site, part: Path) -> None:
    cut_off(site, part)
    site.ranges = False
    download(site, part).fetch()
    assert part.read_bytes() == TEXT
    assert len(site.requests) == 1


@pytest.mark.parametrize(("first_byte", "says_where"), [(50, True), (0, True), (None, False)])
def test_a_server_that_goes_on_elsewhere_or_does_not_say_where_starts_again(
    site: Site, part: Path, first_byte: int | None, says_where: bool
) -> None:
    cut_off(site, part)
    site.first_byte, site.says_where = first_byte, says_where
    download(site, part).fetch()
    assert part.read_bytes() == TEXT


@pytest.mark.parametrize("length", [300, 500])
def test_a_part_as_long_as_the_file_or_longer_starts_again(site: Site, part: Path, length: int) -> None:
    cut_off(site, part, after=500)
    site.content = OTHER[:length]
    download(site, part).fetch()
    assert part.read_bytes() == OTHER[:length]


def test_an_http_error_leaves_the_part_for_next_time(site: Site, part: Path) -> None:
    cut_off(site, part)
    site.status, site.ranges = 503, False
    with pytest.raises(UnreachableError, match="HTTP 503"):
        download(site, part).fetch()
    site.status, site.ranges = 200, True
    download(site, part).fetch()
    assert part.read_bytes() == TEXT
    assert [request.get("range") for request in site.requests] == ["bytes=100-", "bytes=100-"]


# Too large, and disks that fail


def test_a_download_just_small_enough_is_accepted(site: Site, part: Path) -> None:
    download(site, part, max_bytes=len(TEXT)).fetch()
    assert part.read_bytes() == TEXT


@pytest.mark.parametrize("says_length", [True, False])
def test_a_download_one_byte_too_large_is_an_error_that_leaves_nothing(
    site: Site, part: Path, says_length: bool
) -> None:
    site.says_length, site.etag = says_length, '"one"'
    most = len(TEXT) - 1
    with pytest.raises(SourceError) as caught:
        download(site, part, max_bytes=most).fetch()
    assert one_line(caught.value) == f"the text: has more than data.max_megabytes = {most / 1e6:g} MB"
    assert left_beside(part) == []


@pytest.mark.parametrize(("says_length", "most"), [(True, 0), (False, 200_000)])
def test_no_more_is_fetched_than_is_allowed(site: Site, part: Path, says_length: bool, most: int) -> None:
    site.content, site.says_length = bytes(10**6), says_length
    told = [0]
    with pytest.raises(SourceError, match="max_megabytes"):
        download(site, part, max_bytes=200_000).fetch(lambda done, total: told.append(done))
    assert max(told) <= most


@pytest.mark.parametrize("says_length", [True, False])
def test_a_part_of_what_is_too_large_goes(site: Site, part: Path, says_length: bool) -> None:
    cut_off(site, part)
    site.says_length = says_length
    with pytest.raises(SourceError, match="max_megabytes"):
        download(site, part, max_bytes=500).fetch()
    assert left_beside(part) == []


def test_discarding_removes_the_part_and_its_validator(site: Site, part: Path) -> None:
    site.etag = '"one"'
    cut_off(site, part)
    assert left_beside(part) == ["text.etag", "text.part"]
    download(site, part).discard()
    assert left_beside(part) == []
    download(site, part).discard()


def test_a_folder_that_cannot_be_made_is_a_file_error(site: Site, part: Path) -> None:
    part.parent.write_text("a file in the way")
    with pytest.raises(FileError) as caught:
        download(site, part).fetch()
    assert str(part) in one_line(caught.value)


def test_a_part_that_is_a_folder_is_a_file_error(site: Site, part: Path) -> None:
    part.mkdir(parents=True)
    with pytest.raises(FileError) as caught:
        download(site, part).fetch()
    assert str(part) in one_line(caught.value)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no disk that is always full")
def test_a_full_disk_is_a_file_error(site: Site, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part.parent.mkdir()
    part.symlink_to("/dev/full")
    monkeypatch.setattr(Download, "discard", lambda self: None)
    with pytest.raises(FileError, match=r"text\.part: cannot write: No space left on device"):
        download(site, part).fetch()


# As a source


@pytest.mark.parametrize(
    ("url", "file_name"),
    [
        ("https://host/a/b.txt", "b.txt"),
        ("HTTP://host:1", ""),
        ("http://host/b.txt.gz?raw=1.zip#part", "b.txt.gz"),
        ("http://[::1]:80/b.txt", "b.txt"),
    ],
)
def test_the_name_of_the_file_is_the_last_part_of_the_path(url: str, file_name: str) -> None:
    assert HttpSource(url, url, None).file_name == file_name


def test_the_text_of_a_url_is_what_is_in_the_file_downloaded(site: Site, part: Path) -> None:
    site.content = gzip.compress(TEXT)
    (fetched,) = HttpSource("the text", site.url("text.gz"), None).fetch(part, Limits(10**6, 20), None)
    assert (fetched.name, fetched.path) == ("the text", part)
    assert part.read_bytes() == site.content
    assert [b"".join(member.pieces) for member in fetched.members or ()] == [TEXT]
    site.content = TEXT
    part.unlink()
    (plain,) = HttpSource("the text", site.url(), None).fetch(part, Limits(10**6, 20), None)
    assert plain == Fetched("the text", part, None)
