"""Commented overlays."""

from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.loading import load_params
from charrnn.config.overlay import Choice, overlay, quoted

# Surrogates, too: a name of a file may have bytes that are no UTF-8.
ANY = st.text(st.characters(exclude_categories=()))


def test_parameters_stand_in_their_sections_under_their_reasons(tmp_path: Path) -> None:
    choices = [
        Choice("training.max_minutes", 2.5, "Because."),
        Choice("data.sources", ["a b.txt"], ""),
        Choice("training.optimizer", "adamw", "Many words. " * 20),
    ]
    text = overlay(["First.", "Second."], choices)
    head, data, training = text.split("\n\n")
    assert (head, data) == ("# First.\n# Second.", "data:\n  sources: [a b.txt]")
    assert training.startswith("training:\n  # Because.\n  max_minutes: 2.5\n  # Many words. Many words.")
    assert training.endswith("words.\n  optimizer: adamw\n")
    assert max(map(len, text.splitlines())) <= 110
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "a b.txt").write_text("text")
    params = load_params([tmp_path / "a.yaml"])
    assert (params.training.max_minutes, params.training.optimizer) == (2.5, "adamw")


@given(ANY, ANY)
def test_no_value_and_no_comment_is_read_as_anything_else(value: str, hostile: str) -> None:
    text = overlay(
        [hostile], [Choice("data.template", value, hostile), Choice("data.sources", [value], quoted(hostile))]
    )
    assert yaml.safe_load(text) == {"data": {"template": value, "sources": [value]}}


@given(ANY)
def test_what_is_quoted_is_short_and_printable(hostile: str) -> None:
    shown = quoted(hostile)
    assert shown.isprintable()
    assert len(shown) <= 2 + 24 * len("\\U0010ffff")


def test_what_is_quoted_is_readable() -> None:
    assert quoted("naïve 東京") == '"naïve 東京"'
    assert quoted("a\n\x1b[2J\u202e\udcef") == '"a\\n\\x1b[2J\\u202e\\udcef"'
    assert quoted("x" * 100) == '"' + "x" * 21 + '..."'
