import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.sampling_options import SamplingOptions
from charrnn.generation.formats import as_line, default_format, fitting, json_escape, listed, shown
from charrnn.generation.writer import Written
from tests.charrnn.generation.test_writer import LINES, STREAM

HOSTILE = st.text(st.characters() | st.sampled_from('\n\r\t\x1b\x9b\x00\x85\u2028\u2029\\"é中'), max_size=20)


def written(text: str, seed: int = 1, logprob: float | None = None) -> Written:
    return Written(SamplingOptions(seed=seed), text, logprob)


def test_documents_without_line_ends_are_a_list_and_other_texts_are_as_they_are() -> None:
    assert default_format(LINES) == "lines"
    assert default_format(STREAM) == "text"


def test_text_is_as_it_is_below_its_seed_where_there_are_several() -> None:
    assert shown(written("a\x1b\nb\n", seed=7), "text") == "a\x1b\nb\n"
    assert listed([written("a", 7), written("b", 8)], "text") == "--- seed 7 ---\na\n--- seed 8 ---\nb\n"


def test_lines_are_a_plain_list() -> None:
    assert listed([written("Anna"), written(""), written("O'Neil_2 é")], "lines") == "Anna\n\nO'Neil_2 é\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Anna\n", "Anna"),
        ("Anna\n\n", "Anna\\n"),
        ("a\nb\r\n", "a\\nb\\r"),
        ("\x1b[2Ja\x9b\x00", "\\x1b[2Ja\\x9b\\x00"),
        ("a\u2028b\x85", "a\\u2028b\\x85"),
        ("a\tb\\n", "a\tb\\n"),
        ("\ud800", "\\ud800"),
        ("👩\u200d🚀 नि\u00a0a b", "👩\u200d🚀 नि\u00a0a b"),
    ],
)
def test_a_line_end_at_the_end_is_not_repeated_and_what_ends_a_line_in_it_is_escaped(text: str, line: str) -> None:
    assert as_line(text) == line


@given(HOSTILE)
def test_whatever_a_text_holds_it_is_one_line_that_no_terminal_obeys(text: str) -> None:
    line = as_line(text)
    assert line.splitlines() in ([line], [])
    assert not {unicodedata.category(character) for character in line.replace("\t", "")} & {"Cc", "Cs"}


def test_letters_of_every_writing_system_are_readable_in_json() -> None:
    assert '"text": "дом é 中 👩\u200d🚀\\n\\u009b"' in shown(written("дом é 中 👩\u200d🚀\n\x9b"), "jsonl")


@given(st.characters())
def test_the_escape_of_any_character_reads_back_as_it(character: str) -> None:
    assert json_escape(character).isascii()
    assert json.loads(f'"{json_escape(character)}"') == character


@given(text=HOSTILE | st.text(st.characters(categories=["Cs"])), new=st.sampled_from([True, False, None]))
def test_json_is_one_line_that_no_terminal_obeys_and_reads_back_exactly(text: str, new: bool | None) -> None:
    line = shown(written(text, seed=2**63 - 1, logprob=-12.5), "jsonl", new=new)
    assert line.splitlines() == [line]
    assert not {unicodedata.category(character) for character in line} & {"Cc", "Cs"}
    values = json.loads(line)
    assert list(values) == ["seed", "text", "logprob", "new"]
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert values == {"seed": 2**63 - 1, "text": expected, "logprob": -12.5, "new": new}


@pytest.mark.parametrize(("length", "kept"), [(1, 1), (3, 1), (5, 2), (7, 2), (8, 3), (100, 4)])
def test_as_many_texts_are_taken_as_fit_and_at_least_one(length: int, kept: int) -> None:
    texts = [written(text) for text in ("abc", "de", "fgh", "")]
    found = fitting(texts, length)
    assert found[:kept] == texts[:kept]
    assert sum(len(one.text) for one in found[1:]) + 3 <= max(length, 3)
    assert len(found) == kept + (kept == 3)
