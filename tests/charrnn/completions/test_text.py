from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.completions.text import Rated, Text
from charrnn.config.sampling_options import SamplingOptions


def text(length: int, stops: Sequence[str] = (), likeliest: int | None = None) -> Text:
    return Text(SamplingOptions(), length, stops, likeliest=likeliest)


def taken(one: Text) -> tuple[str, str | None]:
    piece = one.take()
    return (piece.text, piece.reason) if piece else ("", None)


def test_characters_are_taken_once() -> None:
    one = text(10)
    one.write("ab")
    one.write("c")
    assert taken(one) == ("abc", None)
    assert one.take() is None


def test_a_text_ends_with_its_length() -> None:
    one = text(3)
    one.write("abc")
    assert taken(one) == ("abc", "length")
    assert one.ended


def test_a_stop_is_no_part_of_the_text_and_nothing_after_it_is() -> None:
    one = text(100, ["cd"])
    one.write("abcdef")
    assert taken(one) == ("ab", "stop")


def test_the_stop_that_begins_first_ends_the_text() -> None:
    one = text(100, ["de", "bcd", "x"])
    one.write("abcde")
    assert taken(one) == ("a", "stop")


def test_what_may_be_the_beginning_of_a_stop_is_held_back_until_it_is_none() -> None:
    one = text(100, ["aab"])
    one.write("xaa")
    assert taken(one) == ("x", None)
    one.write("a")
    assert taken(one) == ("a", None)
    one.write("b")
    assert taken(one) == ("", "stop")


def test_what_was_held_back_is_told_when_the_text_ends_otherwise() -> None:
    by_length, by_symbol = text(2, ["abc"]), text(100, ["abc"])
    by_length.write("ab")
    assert taken(by_length) == ("ab", "length")
    by_symbol.write("ab", stopped=True)
    assert taken(by_symbol) == ("ab", "stop")


def test_log_probabilities_are_held_back_with_their_characters() -> None:
    one = text(100, ["ab"], likeliest=0)
    rated = [Rated(character, -1.0, {}) for character in "xab"]
    one.write("xa", rated[:2])
    piece = one.take()
    assert piece is not None
    assert piece.rated == (rated[0],)
    one.write("b", rated[2:])
    piece = one.take()
    assert piece is not None
    assert piece.rated == ()


@given(st.text("ab", max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=4), st.data())
def test_in_whatever_pieces_it_is_written_the_text_is_the_same(
    whole: str, stops: list[str], data: st.DataObject
) -> None:
    one, written, reason = text(100, stops), "", None
    for number, character in enumerate(whole):
        one.write(character)
        if data.draw(st.booleans()) or one.ended or number == len(whole) - 1:
            piece, reason = taken(one)
            written += piece
        if one.ended:
            break
    ends = [whole.find(stop) + len(stop) for stop in stops if stop in whole]
    if not ends:
        assert reason is None
        assert whole.startswith(written)
        return
    # Character by character, the stop that is complete first ends it; of several, the longest.
    end = min(ends)
    cut = min(end - len(stop) for stop in stops if whole[:end].endswith(stop))
    assert (written, reason) == (whole[:cut], "stop")


@pytest.mark.parametrize(("stops", "last"), [((), ""), (("ab", "cb"), "b")])
def test_what_can_complete_a_stop_is_known(stops: tuple[str, ...], last: str) -> None:
    assert text(1, stops).last_characters == last
