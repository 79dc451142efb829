from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.data.separator import Splitter


@given(st.lists(st.text("ab\n", max_size=6)), st.text("ab\n", min_size=1, max_size=4))
@example(["a", "a", "a"], "aa")
@example(["xa", "b", "aby"], "ab")
def test_a_text_in_pieces_has_the_parts_of_the_whole(pieces: list[str], separator: str) -> None:
    splitter = Splitter(separator)
    parts = [part for piece in pieces for part in splitter.feed(piece)]
    assert [*parts, splitter.finish()] == "".join(pieces).split(separator)


def test_a_part_comes_with_the_piece_that_ends_it() -> None:
    splitter = Splitter("%\n")
    assert splitter.feed("one%") == []
    assert splitter.feed("\ntwo%\nthr") == ["one", "two"]
    assert splitter.finish() == "thr"
