import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.beside import beside


@given(st.lists(st.integers(), max_size=5))
def test_each_item_comes_with_what_is_computed_of_it(items: list[int]) -> None:
    assert list(beside(lambda item: item * 2, iter(items))) == [(item, item * 2) for item in items]


def test_the_next_item_is_made_while_the_one_before_is_computed() -> None:
    next_is_made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        next_is_made.set()
        yield 2

    assert list(beside(lambda _: next_is_made.wait(timeout=60), items())) == [(1, True), (2, True)]


def test_no_more_than_two_items_are_held() -> None:
    made = []

    def items() -> Iterator[int]:
        for item in range(6):
            made.append(item)
            yield item

    assert [len(made) - item for item, _ in beside(str, items())] == [2, 2, 2, 2, 2, 1]


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_an_error_of_the_function_is_raised(bad: int) -> None:
    def fail(item: int) -> None:
        if item == bad:
            raise ValueError(item)

    with pytest.raises(ValueError, match=str(bad)):
        list(beside(fail, iter(range(3))))


def test_an_error_of_the_items_is_raised_and_ends_the_thread() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    before = threading.active_count()
    with pytest.raises(ValueError, match="broken"):
        list(beside(str, items()))
    assert threading.active_count() == before
