"""Drift: what is found in a text that is not like the champion's, and that nothing is in one that has grown."""

from collections.abc import Sequence

import pytest

from charrnn.config.schema import DriftParams
from charrnn.data.profile import Profile
from charrnn.evaluation.drift import MIN_NEW, NewPart, compare
from tests.charrnn.data.test_profile import of
from tests.texts import made_up_play

OLD = made_up_play(40_000)
SAME = NewPart(0)


def found(
    now: Profile | str, *, before: str = OLD, new: NewPart = SAME, limits: DriftParams | None = None
) -> Sequence[str]:
    today = of(now) if isinstance(now, str) else now
    return compare(of(before), today, new, limits or DriftParams()).findings


def test_the_same_text_and_one_that_has_grown_are_as_usual() -> None:
    assert found(OLD) == []
    assert found(OLD + made_up_play(44_000)[40_000:], new=NewPart(4_000, 1.9, 1.5)) == []


def test_half_a_text_is_named_cut_off() -> None:
    (one,) = found(OLD[:20_000])
    assert one.startswith("has 20,000 characters, 0.50 times the 40,000 of the champion's: is it cut off? ")
    assert found(OLD[:20_000], limits=DriftParams(min_size=0.4)) == []


def test_a_page_of_html_is_named_one_unless_the_champions_is_one() -> None:
    page = "<!DOCTYPE html><html>" + OLD
    assert "is a page of HTML, which the champion's is not" in found(page)
    assert found(page, before=page) == []


def test_characters_that_were_never_seen_are_named_from_a_share_and_a_number_on() -> None:
    (one,) = (text for text in found(OLD + "¿\u202e" * 500) if "never has" in text)
    assert one.startswith("has 2.44% characters that the champion's never has, such as ")
    assert "\u202e" not in one
    assert not any("never has" in text for text in found(OLD + "¿" * 300))
    (one,) = (text for text in found("ab" * 400 + ";" * 99, before="ab" * 400) if "never has" in text)
    assert "such as ';' (drift" in one
    assert "; " not in one  # that stands between findings
    assert found("ab" * 400 + "c" * 19, before="ab" * 400, limits=DriftParams(max_distance=50)) == []


def test_text_of_another_kind_is_far_away() -> None:
    other = "".join(f"static int f{n}(int a) {{\n\treturn a * {n % 7};\n}}\n\n" for n in range(900))
    texts = found(other)
    assert any(text.startswith("has characters at a distance of 0.") for text in texts)
    assert any(text.startswith("has 5-grams at a distance of 0.9") for text in texts)


def test_text_that_is_there_twice_is_named() -> None:
    twice = of(OLD * 2, repeated=0.5)
    (one,) = found(twice)
    assert one.startswith("repeats itself: 50% of it was in it before, of the champion's 0% ")
    assert found(of(OLD, repeated=0.2)) == []


def test_a_new_part_that_the_champion_does_not_know_is_named() -> None:
    (one,) = found(OLD, new=NewPart(MIN_NEW, 3.0, 1.5))
    assert one.startswith("has a new part on which the champion's loss is 3.000 nats per character, 1.500 on its own")
    assert found(OLD, new=NewPart(MIN_NEW - 1, 3.0, 1.5)) == found(OLD, new=NewPart(MIN_NEW, 3.0)) == []


def test_the_table_has_a_row_for_each_measure_and_the_characters_that_changed_are_shown_by_name() -> None:
    drift = compare(of(OLD), of(OLD + "\n\x1b" * 3_000), NewPart(MIN_NEW, 3.0, 1.5), DriftParams())
    frame = drift.to_frame()
    assert list(frame.columns) == ["measure", "found", "today's text", "limit", "champion's text"]
    assert set(frame["found"]) - {"as usual"} == set(drift.findings)
    assert set(drift.metrics) == {
        *("drift/size", "drift/html", "drift/unseen", "drift/distance_characters", "drift/distance_5grams"),
        *("drift/repeated", "drift/new_characters", "drift/new_loss"),
    }
    names = {name: (before, now) for name, before, now in drift.characters}
    assert names["<Cc>"][0] == 0
    assert names["<Cc>"][1] == pytest.approx(3_000 / 46_000)
    assert names["LINE FEED"][1] > names["LINE FEED"][0]
