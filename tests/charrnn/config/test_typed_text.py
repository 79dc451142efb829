import pytest

from charrnn.config.typed_text import typed_text
from charrnn.errors import ParamsError
from tests.source_fixtures import one_line


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("---", "---"),
        ("\n\n", "\n\n"),
        (r'"\n\n"', "\n\n"),
        ('"---"', "---"),
        ("'---'", "---"),
        (r"'\n'", r"\n"),
        (r'"\\n"', r"\n"),
        (r'"\x1e"', "\x1e"),
        ('"Yes," he said, "no"', '"Yes," he said, "no"'),
        (r"\section", r"\section"),
        ("", ""),
    ],
)
def test_a_text_is_what_was_typed_or_what_is_in_quotes(typed: str, meant: str) -> None:
    assert typed_text(typed, "--until", separates=True) == meant


def test_an_unknown_escape_in_quotes_is_refused() -> None:
    with pytest.raises(ParamsError) as caught:
        typed_text(r'"\q"', "--set: data.join", separates=True)
    assert one_line(caught.value) == (
        r'--set: data.join: "\q" has an escape that YAML does not know; write a backslash twice'
    )


def test_a_character_that_yaml_does_not_know_in_quotes_is_no_escape() -> None:
    with pytest.raises(ParamsError, match=r"has a character that YAML does not allow in quotes$"):
        typed_text('"a\x1bb"', "--until", separates=True)


def test_a_line_end_that_is_typed_as_two_characters_is_refused_where_it_is_likely_to_be_meant() -> None:
    assert typed_text(r"\n", "data.directory", separates=False) == r"\n"
    with pytest.raises(ParamsError) as caught:
        typed_text(r"\n\n", "--until", separates=True)
    assert one_line(caught.value) == (
        r"--until: has \n, a backslash and a letter; what it stands for is $'\n' in bash, or '"
        r""""\n"', in double quotes inside the single ones; '"\\n"' keeps the backslash"""
    )
