from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.sampling_options import SamplingOptions
from charrnn.generation.filters import FILTERS, Filters

# Shares of 64 and probabilities that are powers of two, so that nothing is rounded, in whatever order it is added up.
SHARES = st.integers(1, 64).map(lambda number: number / 64)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "top_k": st.integers(1, 9) | st.just(10**6),
    "top_p": SHARES,
    "min_p": SHARES,
}
"""What the option of each filter may be."""

NARROWEST = {"top_k": 1, "top_p": 5e-324, "min_p": 1.0}
"""The value with which each leaves least."""


def top_k(probabilities: list[float], k: int) -> list[float]:
    return [probability if place < k else 0.0 for place, probability in enumerate(probabilities)]


def top_p(probabilities: list[float], p: float) -> list[float]:
    kept: list[float] = []
    for probability in probabilities:
        kept.append(probability if sum(kept) < p * sum(probabilities) else 0.0)
    return kept


def min_p(probabilities: list[float], p: float) -> list[float]:
    return [probability if probability >= p * max(probabilities) else 0.0 for probability in probabilities]


REFERENCES: dict[str, Callable[[list[float], Any], list[float]]] = {"top_k": top_k, "top_p": top_p, "min_p": min_p}
"""What each does to the probabilities of one text, the likeliest first."""


def exponents(size: int) -> st.SearchStrategy[list[int]]:
    """-log2 of the probabilities of `size` characters; that of the likeliest is 1."""
    others = st.lists(st.integers(0, 12), min_size=size - 1, max_size=size - 1)
    return others.flatmap(lambda drawn: st.permutations([0, *drawn]))


SIZES = st.integers(1, 8)
OPTIONS = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})
TEXTS = SIZES.flatmap(lambda size: st.lists(st.tuples(exponents(size), OPTIONS), min_size=1, max_size=4))
"""Texts with equally many characters: -log2 of the probabilities of each, and its options."""


def filtered(texts: list[tuple[list[int], dict[str, Any]]]) -> list[list[float]]:
    """What is left of the probabilities of each text."""
    logits = -np.array([exponents for exponents, _ in texts], dtype=np.float64)
    probabilities = 2.0**logits
    Filters([SamplingOptions(**options) for _, options in texts]).apply(logits, probabilities)
    return [list(map(float, row)) for row in probabilities]


def expected(exponents: list[int], options: dict[str, Any]) -> list[float]:
    """What is left of one text, one filter after the other, in plain Python."""
    order = sorted(range(len(exponents)), key=lambda index: exponents[index])  # equal ones stay in their order
    ordered = [2.0 ** -exponents[index] for index in order]
    for name in FILTERS:
        if options.get(name) is not None:
            ordered = REFERENCES[name](ordered, options[name])
    return [probability for _, probability in sorted(zip(order, ordered, strict=True))]


def test_every_filter_is_an_option_and_has_a_reference_here() -> None:
    assert set(FILTERS) <= set(SamplingOptions.model_fields)
    assert list(FILTERS) == list(REFERENCES) == list(VALUES) == list(NARROWEST)
    assert all(SamplingOptions.model_fields[name].default is None for name in FILTERS)


@given(TEXTS)
def test_filters_keep_what_a_plain_reference_keeps_in_each_text_by_its_own_options(
    texts: list[tuple[list[int], dict[str, Any]]],
) -> None:
    assert filtered(texts) == [expected(exponents, options) for exponents, options in texts]


@pytest.mark.parametrize("name", FILTERS)
@given(data=st.data(), exponents=SIZES.flatmap(exponents))
def test_each_filter_alone_keeps_what_its_reference_keeps(name: str, data: st.DataObject, exponents: list[int]) -> None:
    value = data.draw(VALUES[name])
    ordered = sorted((2.0**-exponent for exponent in exponents), reverse=True)
    (removed,) = FILTERS[name](np.array([ordered]), np.array([[value]], dtype=np.float64))
    kept = [0.0 if gone else probability for gone, probability in zip(removed, ordered, strict=True)]
    assert kept == REFERENCES[name](ordered, value)


@given(texts=TEXTS, data=st.data())
def test_the_likeliest_character_always_stays_as_it_was(
    texts: list[tuple[list[int], dict[str, Any]]], data: st.DataObject
) -> None:
    narrow = [(exponents, data.draw(st.sampled_from([options, NARROWEST]))) for exponents, options in texts]
    for (exponents, _), probabilities in zip(narrow, filtered(narrow), strict=True):
        assert probabilities[exponents.index(0)] == 1


def test_each_filter_sees_what_those_before_it_in_the_table_have_left() -> None:
    # Of 4 + 2 + 1 + 1 the likeliest has half, of the 4 + 2 that top_k = 2 leaves it has more.
    assert filtered([([0, 1, 2, 2], {"top_p": 0.6})]) == [[1, 0.5, 0, 0]]
    assert filtered([([0, 1, 2, 2], {"top_k": 2, "top_p": 0.6})]) == [[1, 0, 0, 0]]


def test_without_a_filter_nothing_is_touched() -> None:
    probabilities = np.array([[0.5, np.nan, 2.0]])
    Filters([SamplingOptions()]).apply(np.zeros((1, 3)), probabilities)
    np.testing.assert_array_equal(probabilities, [[0.5, np.nan, 2.0]])


def test_of_equally_likely_characters_the_first_stay() -> None:
    assert filtered([([3, 0, 0, 0], {"top_k": 2})]) == [[0, 1, 1, 0]]
    assert filtered([([3, 0, 0, 0], {"top_p": 0.4})]) == [[0, 1, 1, 0]]


def test_top_p_keeps_no_more_than_it_needs_where_it_is_met_exactly() -> None:
    assert filtered([([0, 1, 1], {"top_p": 0.5})]) == [[1, 0, 0]]
    assert filtered([([0, 1, 1], {"top_p": 0.75})]) == [[1, 0.5, 0]]
