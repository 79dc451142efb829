import unicodedata
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.schema import DataParams
from charrnn.data.normalisation import normal_forms, normalise

# Characters that normalising or lower-casing does something to, alone or beside others: composing ones, Hangul letters,
# ligatures, sigma and what it looks past, letters whose lower case is longer, line ends, marks of the byte order.
AWKWARD = "aA \n\r.'Σσςé\u0301\u0308\u0327\u0345\u00ad中한\u1112\u1161\u11abİ\u0131ßǅ\u017fﬁ\u200d\ufeff\0😀\U000e0067"
TEXTS = st.text(st.sampled_from(AWKWARD) | st.characters(exclude_categories=["Cs"]), max_size=30)
FORMS = st.sampled_from(["none", "NFC", "NFD", "NFKC", "NFKD"])
PARAMS = st.builds(DataParams, unicode_form=FORMS, lowercase=st.booleans(), newline=st.sampled_from(["unix", "keep"]))


def whole(text: str, params: DataParams) -> str:
    text = text.lower() if params.lowercase else text
    return text if params.unicode_form == "none" else unicodedata.normalize(params.unicode_form, text)


@given(TEXTS, st.integers(1, 12), PARAMS)
@example("ΑΣ.'B", 1, DataParams(lowercase=True))
@example("Σ'a", 2, DataParams(lowercase=True))
@example("a'Σ", 1, DataParams(lowercase=True))
@example("e\u0301", 1, DataParams())
def test_the_size_of_the_pieces_never_changes_the_text(text: str, size: int, params: DataParams) -> None:
    pieces = (text[start : start + size] for start in range(0, len(text), size))
    assert "".join(normal_forms(pieces, params)) == whole(text, params)


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_no_character_composes_with_a_line_end_before_it(form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> None:
    characters = [chr(point) for point in range(0x110000)]
    changed = [c for c in characters if unicodedata.normalize(form, f"\n{c}")[1:] != unicodedata.normalize(form, c)]
    assert changed == []


def test_what_ends_with_a_line_end_is_not_held_back() -> None:
    pieces = normal_forms(iter(["one\n", "two", "\n"]), DataParams())
    assert list(pieces) == ["one\n", "tw", "o\n", ""]


@given(TEXTS, PARAMS)
def test_what_a_person_types_becomes_what_a_text_that_is_read_becomes(text: str, params: DataParams) -> None:
    unmarked = text.removeprefix("\ufeff")
    unix = unmarked.replace("\r\n", "\n").replace("\r", "\n") if params.newline == "unix" else unmarked
    assert normalise(text, params) == whole(unix, params)


@pytest.mark.parametrize(
    ("text", "params", "expected"),
    [
        ("e\u0301", DataParams(), "é"),
        ("e\u0301", DataParams(unicode_form="none"), "e\u0301"),
        ("L'ÉTÉ", DataParams(lowercase=True), "l'été"),
        ("\ufeffone\r\ntwo\rthree", DataParams(), "one\ntwo\nthree"),
        ("\ufeffone\r\ntwo", DataParams(newline="keep"), "one\r\ntwo"),
    ],
)
def test_a_prime_is_read_as_the_training_text_is(text: str, params: DataParams, expected: str) -> None:
    assert normalise(text, params) == expected


# Marks of several combining classes, those that decompose into several, one that is a mark only where forms are
# compatible, letters that are composed with the first of them.
MARKS = "\u0301\u0323\u0327\u0345\u05b0\u0334\u0344\u0f73\u0f81\u3099\uff9e\u20d0\U0001d165\U0001e8d0"


@given(
    st.lists(
        st.text(st.sampled_from(MARKS), max_size=150) | TEXTS | st.sampled_from(["a", "é", "か", "ǖ"]), max_size=5
    ),
    st.integers(60, 140),
    st.sampled_from(MARKS),
    PARAMS,
)
def test_long_runs_of_marks_are_normalised_as_python_does(
    parts: list[str], length: int, mark: str, params: DataParams
) -> None:
    text = (mark * length).join(parts)
    assert "".join(normal_forms(iter([text[:200], text[200:]]), params)) == whole(text, params)


def test_a_run_of_many_marks_is_in_canonical_order_before_python_sorts_it() -> None:
    # Sorting it by insertion would take most of an hour.
    marks = 500_000
    text = normalise("a" + "\u0301\u0323" * marks, DataParams())
    assert text == "ạ" + "\u0323" * (marks - 1) + "\u0301" * marks
