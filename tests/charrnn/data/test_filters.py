from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.schema import DataParams
from charrnn.data.documents import FILLER, Piece
from charrnn.data.filters import Selection, described, first_occurrences, first_of_each, limited
from charrnn.data.vocabulary import code_points
from charrnn.errors import CorpusError
from tests.source_fixtures import one_line

# One list of documents a piece.
PIECES = st.lists(st.lists(st.text("ab\né", max_size=5), min_size=1, max_size=6), max_size=5)
MOST = st.none() | st.integers(1, 20)


def pieces_of(groups: list[list[str]]) -> Iterator[Piece]:
    for group in groups:
        ends = np.cumsum([len(document) + 1 for document in group], dtype=np.int64) - 1
        yield Piece(0, code_points("".join(document + FILLER for document in group)), ends)


def documents_of(pieces: Iterator[Piece]) -> list[str]:
    found = []
    for piece in pieces:
        starts = [0, *(piece.ends[:-1] + 1).tolist()]
        found += [
            "".join(map(chr, piece.points[a:b].tolist())) for a, b in zip(starts, piece.ends.tolist(), strict=True)
        ]
    return found


def plain(documents: list[str], params: DataParams) -> tuple[list[str], Counter[str], bool]:
    """Select one document after another."""
    kept: list[str] = []
    left_out: Counter[str] = Counter()
    for document in documents:
        if not document and params.min_length:
            left_out["empty"] += 1
        elif len(document) < params.min_length:
            left_out["shorter"] += 1
        elif params.max_length is not None and len(document) > params.max_length:
            left_out["longer"] += 1
        elif params.unique and document in kept:
            left_out["repeated"] += 1
        elif params.max_characters is not None and len("".join(kept)) + len(document) > params.max_characters:
            return kept, left_out, True
        else:
            kept.append(document)
    return kept, left_out, False


@given(PIECES, st.integers(0, 3), st.none() | st.integers(3, 5), st.booleans(), MOST)
@example([["", "a", "ab", "abé"], ["abé", "b\nb\n"]], 0, 3, True, 7)
@example([["a", "", "bbbbb"], ["a"]], 1, None, False, 3)
def test_documents_are_selected_as_one_after_the_other(
    groups: list[list[str]], shortest: int, longest: int | None, unique: bool, most: int | None
) -> None:
    params = DataParams(documents="lines", min_length=shortest, max_length=longest, unique=unique, max_characters=most)
    every = [document for group in groups for document in group]
    kept, left_out, exceeded = plain(every, params)
    first = first_of_each(pieces_of(groups), params) if unique else None
    selection = Selection(params, first)
    found = documents_of(selection.of(pieces_of(groups)))
    assert (found if shortest == 0 else [document for document in found if document]) == kept
    assert (selection.documents, selection.left_out, selection.exceeded) == (len(kept), left_out, exceeded)


@given(st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**63, 2**64 - 1])), st.integers(1, 10))
def test_the_first_of_each_value_is_found_range_by_range(values: list[int], at_once: int) -> None:
    found = first_occurrences(np.array(values, dtype=np.uint64), at_once)
    assert found.tolist() == [value not in values[:place] for place, value in enumerate(values)]


@pytest.mark.parametrize(("most", "expected"), [(None, ["abc", "def"]), (2, ["ab"]), (3, ["abc"]), (4, ["abc", "d"])])
def test_of_a_stream_the_first_characters_are_taken_and_no_more_is_read(most: int | None, expected: list[str]) -> None:
    taken = []

    def stream() -> Iterator[Piece]:
        for text in ("abc", "def"):
            taken.append(text)
            yield Piece(0, code_points(text), np.zeros(0, dtype=np.int64))

    assert ["".join(map(chr, piece.points.tolist())) for piece in limited(stream(), most)] == expected
    assert len(taken) == len(expected)


def test_documents_that_lost_all_their_characters_are_left_out_as_empty() -> None:
    selection = Selection(DataParams(documents="lines"), None)
    documents_of(selection.of(pieces_of([["", "ab", "xx", "bx"]])))
    selection.leave_out(0)
    assert (selection.documents, selection.left_out) == (3, {"empty": 1})
    selection.leave_out(1)
    assert (selection.documents, selection.left_out) == (2, {"empty": 2})


@pytest.mark.parametrize(
    ("documents", "changes", "message"),
    [
        ([], {}, "no document is left of 0 (data.documents = 'lines'), at least 2 are needed"),
        (["a"], {}, "only 1 document is left of 1 (data.documents = 'lines'), at least 2 are needed"),
        (
            ["", "a", "aaaa", "bbb", "bbb"],
            {"min_length": 2, "max_length": 3, "unique": True},
            "only 1 document is left of 5 (data.documents = 'lines'), at least 2 are needed: 1 empty, "
            "1 shorter than data.min_length 2, 1 longer than data.max_length 3, 1 repeated",
        ),
        (
            ["", "abcdef", "b"],
            {"max_characters": 5},
            "no document is left of 1 (data.documents = 'lines'), at least 2 are needed: 1 empty; "
            "with the next there are more characters than data.max_characters 5",
        ),
    ],
)
def test_too_few_documents_are_an_error_that_says_why(
    documents: list[str], changes: dict[str, int], message: str
) -> None:
    params = DataParams.model_validate({"documents": "lines", **changes})
    groups = [documents] if documents else []
    selection = Selection(params, first_of_each(pieces_of(groups), params) if params.unique else None)
    documents_of(selection.of(pieces_of(groups)))
    with pytest.raises(CorpusError) as caught:
        selection.check("names.txt")
    assert one_line(caught.value) == f"names.txt: {message}"


def test_what_is_left_out_is_described_in_one_order_and_with_its_limits() -> None:
    params = DataParams(documents="lines", min_length=2, max_length=9)
    assert described({"repeated": 4, "longer": 1200, "empty": 0, "shorter": 1}, params) == (
        "1 shorter than data.min_length 2, 1,200 longer than data.max_length 9, 4 repeated"
    )
    assert described({}, params) == ""
