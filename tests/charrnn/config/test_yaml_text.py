from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.writing import Dumper
from charrnn.config.yaml_text import parse_yaml, unquoted
from charrnn.errors import ParamsError
from charrnn.undecodable import original, portable
from tests.source_fixtures import one_line

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, st.booleans())
@example({"<<": {"=": 1}}, False)
def test_what_is_written_as_yaml_or_json_reads_back(value: Any, flow: bool) -> None:
    assert parse_yaml(yaml.dump(value, Dumper=Dumper, allow_unicode=True, default_flow_style=flow), "x") == value


@pytest.mark.parametrize(
    ("text", "line", "key", "first"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a", 1),
        ("a:\n  b: 1\n  c: 2\n  b: 1\n", 4, "b", 2),
        ("a: 1\n'a': 2", 2, "a", 1),
        ("- {a: 1, ? a : 2}", 1, "a", 1),
        ("1: a\n!!str 1: b\n", 2, "1", 1),
        ("x: &x {a: 1,\n a: 2}\ny: {<<: *x}", 2, "a", 1),
    ],
)
def test_a_key_that_is_there_twice_is_an_error_with_both_lines(text: str, line: int, key: str, first: int) -> None:
    with pytest.raises(ParamsError) as caught:
        parse_yaml(text, "f")
    assert one_line(caught.value) == (
        f"f:{line}: is not valid YAML: the key {key} is there twice, first in line {first}"
    )


def test_keys_of_several_maps_may_be_the_same() -> None:
    text = "a: &a {k: 1}\nb: &b {<<: *a, k: 2}\nc: {<<: [*b, *a], k: 3}\nd: [{k: 4}, {k: 5}]\n"
    assert parse_yaml(text, "f") == {"a": {"k": 1}, "b": {"k": 2}, "c": {"k": 3}, "d": [{"k": 4}, {"k": 5}]}


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
@example("\n\n")
@example("'")
@example('\\n"\udcef')
def test_a_text_in_quotes_is_that_text(text: str) -> None:
    assert unquoted("'" + text.replace("'", "''") + "'") == text
    written = yaml.dump(portable(text), default_style='"', width=float("inf"))
    assert unquoted(f" {original(written.strip())} ") == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "'",
        '"',
        "a",
        '"a',
        "'a",
        '"a" "b"',
        "'a' 'b'",
        '"a" # "',
        '"a": "b"',
        '"\\q"',
        '"\\U00ffffff"',
        "[a]",
        "'\"",
    ],
)
def test_what_is_more_or_less_than_a_text_in_quotes_is_none(text: str) -> None:
    assert unquoted(text) is None
