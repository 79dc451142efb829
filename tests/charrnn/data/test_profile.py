"""Profiles: what is counted, whatever the pieces; the distance of two; a page of HTML; the file."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from charrnn.data import profile as module
from charrnn.data.profile import BUCKETS, ORDER, Profile, distance, profile
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError

counts = st.lists(st.integers(0, 1000), min_size=4, max_size=4).map(np.array)


def of(text: str, repeated: float = 0.0) -> Profile:
    found = Counter(text)
    characters = "".join(sorted(found))
    first_seen = tuple(text.index(one) for one in characters)
    vocabulary = Vocabulary(characters, tuple(found[one] for one in characters), first_seen)
    return profile(vocabulary.encode(text), vocabulary, repeated)


@given(counts, counts)
def test_the_distance_is_that_of_jensen_and_shannon(one: np.ndarray, other: np.ndarray) -> None:
    found = distance(one, other)
    assert found == distance(other, one)
    assert 0 <= found <= 1
    assert distance(one, one) == distance(one, 3 * one) == pytest.approx(0, abs=1e-7)
    if one.any() and other.any():
        assert found == pytest.approx(float(jensenshannon(one, other, base=2)), abs=1e-6)


def test_distributions_that_share_nothing_are_at_1() -> None:
    assert distance(np.array([5, 0]), np.array([0, 1])) == pytest.approx(1)
    assert distance(np.array([0, 0]), np.array([0, 1])) == 1
    assert distance(np.array([0, 0]), np.array([0, 0])) == 0


@given(st.text(min_size=1, max_size=60), st.integers(1, 20))
def test_all_is_counted_whatever_the_pieces(text: str, piece: int) -> None:
    whole = of(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE", piece)
        in_pieces = of(text)
    found = dict(zip(map(chr, whole.characters.tolist()), whole.counts.tolist(), strict=True))
    assert found == Counter(text)
    assert whole.size == len(text)
    # 5-grams are counted in each half.
    middle = len(text) // 2
    assert whole.grams.sum() == sum(max(0, size - ORDER + 1) for size in (middle, len(text) - middle))
    assert np.array_equal(whole.grams, in_pieces.grams)
    assert np.array_equal(whole.counts, in_pieces.counts)


def test_the_same_5_grams_are_counted_as_the_same() -> None:
    grams = of("abcdeabcde").grams  # each half has one, the same
    assert sorted(grams[grams > 0].tolist()) == [2]
    assert len(np.flatnonzero(of("abcdefghijklmnop" * 2).grams)) == 12


def test_halves_that_are_of_another_kind_are_far_apart() -> None:
    even, uneven = of("the same " * 400), of("the same " * 200 + "AND OTHERS" * 180)
    assert max(even.halves) < 0.1
    assert min(uneven.halves) > 0.9


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("<!DOCTYPE html>\n<html><head>", True),
        ("\ufeff \n<HTML lang='en'>", True),
        ("<?xml version='1.0'?>\n<!-- saved -->\n<html xmlns='x'>", True),
        ("<htmlish>", False),
        ("A text about <html> pages", False),
        ("<!-- a play -->\nACT I", False),
        ("<!-- a -->" * 400 + "ACT I", False),  # by a pattern that may divide comments in many ways: for ever
        ("<!-- a -->\n" * 300 + "<html>", True),
        ("<!-- " + "a" * 5_000 + " -->\n<html>", True),
        ("<?xml version='1.0'?>\n<?xml-stylesheet href='a'?>\n<!DOCTYPE html PUBLIC 'x'>", True),
        ("<head><title>503</title></head><body>", True),
        ("<headline>", False),
    ],
)
def test_a_page_of_html_is_recognised_by_how_it_begins(text: str, page: bool) -> None:
    assert of(text).page is page


def test_a_profile_comes_back_from_its_file_and_a_damaged_one_is_refused() -> None:
    before = of("some text, some more", repeated=0.25)
    content = before.to_bytes()
    assert len(content) < 9 * BUCKETS
    after = Profile.from_bytes(content)
    assert (after.repeated, after.page, after.size) == (0.25, False, 20)
    for name in ("characters", "counts", "grams", "halves"):
        assert np.array_equal(getattr(after, name), getattr(before, name))
    changes: list[dict[str, Any]] = [
        {"characters": before.characters[1:]},
        {"characters": before.characters[::-1].copy()},
        {"characters": before.characters + 0x110000},
        {"counts": -before.counts},
        {"grams": before.grams.astype(np.float64)},
        {"halves": np.array([0.0, np.nan])},
    ]
    for damaged in (b"", content[:-9], *(replace(before, **change).to_bytes() for change in changes)):
        with pytest.raises(CorpusError, match="profile: is damaged"):
            Profile.from_bytes(damaged)
