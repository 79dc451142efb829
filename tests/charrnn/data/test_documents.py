import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.schema import DataParams
from charrnn.data.documents import FILLER, Piece, _places, read_pieces
from charrnn.data.normalisation import normal_form, normalise
from charrnn.data.text_file import TextFile
from charrnn.data.vocabulary import code_points
from charrnn.errors import CorpusError
from tests.charrnn.data.text_files import text_files
from tests.source_fixtures import one_line

# Letters that join with what follows or precedes, change with the case or the neighbours, and all that may end a line.
TEXT = st.text("aZe\u0301éΣς'. \n\r\u2028\x85\ufeff😀ﬁ", max_size=20)
CONTENTS = st.lists(TEXT.filter(bool), min_size=1, max_size=4)
CLEANING = st.fixed_dictionaries(
    {
        "newline": st.sampled_from(["unix", "keep"]),
        "unicode_form": st.sampled_from(["none", "NFC", "NFD", "NFKC", "NFKD"]),
        "lowercase": st.booleans(),
    }
)
CHUNKS = st.integers(1, 9)


def text_of(points: np.ndarray[Any, Any]) -> str:
    return "".join(map(chr, points.tolist()))


def documents_of(piece: Piece) -> list[str]:
    """Read the documents of a piece back; nothing but fillers is outside them."""
    found, start = [], 0
    for end in piece.ends.tolist():
        assert chr(piece.points[end]) == FILLER
        found.append(text_of(piece.points[start:end]))
        start = end + 1
    assert start == len(piece.points)
    assert piece.lengths.tolist() == list(map(len, found))
    assert piece.characters == sum(map(len, found))
    return found


def by_file(pieces: list[Piece], files: int) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in range(files)]
    assert [piece.file for piece in pieces] == sorted(piece.file for piece in pieces)
    for piece in pieces:
        assert len(piece.ends)
        found[piece.file] += documents_of(piece)
    return found


def read(contents: Sequence[str], folder: Path, chunk_bytes: int, params: DataParams) -> list[list[str]]:
    files = text_files(contents, folder)
    return by_file(list(read_pieces(files, params, chunk_bytes)), len(files))


# Documents


@given(CONTENTS, CLEANING, CHUNKS)
@example(["a\r", "\nb"], {"newline": "unix", "unicode_form": "NFC", "lowercase": True}, 1)
@example(["e", "\u0301\n\u0301"], {"newline": "unix", "unicode_form": "NFC", "lowercase": False}, 3)
@example(["Σ\nΣ", "a"], {"newline": "unix", "unicode_form": "none", "lowercase": True}, 2)
def test_a_line_ends_with_a_line_feed_and_with_the_file(
    tmp_path_factory: pytest.TempPathFactory, contents: list[str], cleaning: dict[str, Any], chunk_bytes: int
) -> None:
    params = DataParams(documents="lines", **cleaning)
    expected = []
    for content in contents:
        lines = [normal_form(line, params) for line in _whole(content, params).split("\n")]
        expected.append(lines if lines[-1] else lines[:-1])
    assert read(contents, tmp_path_factory.mktemp("lines"), chunk_bytes, params) == expected


def _whole(content: str, params: DataParams) -> str:
    """Return the text of a file with its mark removed and its line ends unified, in its own case and form."""
    return normalise(content, DataParams(unicode_form="none", newline=params.newline))


@given(CONTENTS, CLEANING, CHUNKS)
def test_a_file_is_a_document_without_the_end_of_its_last_line(
    tmp_path_factory: pytest.TempPathFactory, contents: list[str], cleaning: dict[str, Any], chunk_bytes: int
) -> None:
    params = DataParams(documents="files", **cleaning)
    expected = [[normalise(content, params).removesuffix("\n")] for content in contents]
    assert read(contents, tmp_path_factory.mktemp("files"), chunk_bytes, params) == expected


def test_of_several_line_ends_at_the_end_of_a_file_one_goes(tmp_path: Path) -> None:
    params = DataParams(documents="files")
    assert read(["a\n\n", "b\r\n", "\n", "c"], tmp_path, 4, params) == [["a\n"], ["b"], [""], ["c"]]


@given(CONTENTS, CLEANING, CHUNKS, st.sampled_from(["a", "\n\n", "\n", "\na\n", "\r\n", "É", "'. ", "aa", "Σ\n"]))
@example(["aaa", "aa"], {"newline": "unix", "unicode_form": "none", "lowercase": False}, 1, "aa")
def test_a_separator_stands_between_documents_and_is_read_as_the_text_is(
    tmp_path_factory: pytest.TempPathFactory,
    contents: list[str],
    cleaning: dict[str, Any],
    chunk_bytes: int,
    separator: str,
) -> None:
    params = DataParams(documents=separator, **cleaning)
    wanted = normalise(separator, params)
    before = "\n" if wanted.startswith("\n") else ""
    texts = [before + normalise(content, params) for content in contents]
    expected = []
    for text in texts:
        *parts, last = text.split(wanted)
        if wanted.endswith("\n") and f"{last}\n".endswith(wanted):
            last = f"{last}\n".removesuffix(wanted)
        elif before:
            last = last.removesuffix("\n")
        parts.append(last)
        if before and parts[0]:
            parts[0] = parts[0].removeprefix(before)
        elif before:
            del parts[0]
        expected.append(parts if parts and parts[-1] else parts[:-1])
    folder = tmp_path_factory.mktemp("separated")
    after = "\n" if wanted.endswith("\n") else ""
    if not any(wanted in text + after for text in texts):
        with pytest.raises(CorpusError, match="never occurs in the text"):
            read(contents, folder, chunk_bytes, params)
        return
    assert read(contents, folder, chunk_bytes, params) == expected


@pytest.mark.parametrize(
    ("separator", "content", "expected"),
    [
        ("%\n", "one\n%\ntwo\nthree\n%\n", ["one\n", "two\nthree\n"]),
        ("%\n", "%\none\n", ["", "one\n"]),
        ("\n\n", "a\nb\n\nc\n", ["a\nb", "c"]),
        ("\r\n\r\n", "a\r\n\r\nb\r\n", ["a", "b"]),
        ("\n---\n", "a\n---\nb\n---\n", ["a", "b"]),
        ("\n---\n", "---\na\n---\nb\n---", ["a", "b"]),
        ("%\n", "one\n%\ntwo\n%", ["one\n", "two\n"]),
        ("\n---\n", "a\n---", ["a"]),
        ("\nFrom ", "From a\nhello\n\nFrom b\nFromage\n", ["a\nhello\n", "b\nFromage"]),
    ],
)
def test_what_separates_documents_in_common_formats(
    tmp_path: Path, separator: str, content: str, expected: list[str]
) -> None:
    assert read([content], tmp_path, 3, DataParams(documents=separator)) == [expected]


@pytest.mark.parametrize("separator", ["line", "Lines", "\ufeff", "a\nb"])
def test_a_separator_that_never_occurs_is_an_error_that_lists_what_is_allowed(tmp_path: Path, separator: str) -> None:
    with pytest.raises(CorpusError) as caught:
        read(["a\n", "b and lin", "e\n"], tmp_path, 2, DataParams(documents=separator, max_characters=1))
    assert one_line(caught.value) == (
        f"data.documents: the separator {separator!r} never occurs in the text; "
        "allowed are none, lines, files, records or a text that stands between two documents"
    )


def test_records_are_normalised_one_by_one_and_columns_are_named_as_they_are(tmp_path: Path) -> None:
    rows = [{"Text": "e\u0301"}, {"Text": "\u0301\r\nA"}, {"Text": ""}, {"Text": "\ud83d"}]
    (file,) = text_files(["".join(json.dumps(row) + "\n" for row in rows)], tmp_path, ".jsonl")
    params = DataParams(documents="records", template="{Text}!", lowercase=True)
    pieces = list(read_pieces([file], params, 3))
    assert by_file(pieces, 1) == [["é!", "\u0301\na!", "!", "\ud83d!"]]


def test_a_line_of_100_megabytes_is_a_document_in_time_linear_in_its_length(tmp_path: Path) -> None:
    long = "x" * 100_000_000
    (file,) = text_files([f"a\n{long}\nb"], tmp_path)
    pieces = list(read_pieces([file], DataParams(documents="lines")))
    assert [length for piece in pieces for length in piece.lengths.tolist()] == [1, 100_000_000, 1]


# Streams


def stream(contents: Sequence[str], folder: Path, chunk_bytes: int, params: DataParams) -> list[str]:
    """Return the text that counts to each file."""
    files = text_files(contents, folder)
    found = [""] * len(files)
    for piece in read_pieces(files, params, chunk_bytes):
        assert len(piece.points) == piece.characters > 0
        found[piece.file] += text_of(piece.points)
    return found


def joined(texts: Sequence[str], join: str) -> list[str]:
    """Return each text with the shortest text after it with which all so far end with `join`, but for the last."""
    found = list(texts)
    having = [number for number, text in enumerate(texts) if text]
    so_far = ""
    for number in having:
        so_far += texts[number]
        if number != having[-1]:
            rest = next(join[length:] for length in range(len(join), -1, -1) if so_far.endswith(join[:length]))
            so_far += rest
            found[number] += rest
    return found


@given(CONTENTS, CLEANING, CHUNKS, st.sampled_from(["\n\n", "", "\n", "\r\n", "aa", "\n---\n", "É"]))
@example(["e", "\u0301"], {"newline": "unix", "unicode_form": "NFC", "lowercase": False}, 1, "")
@example(["a\r", "\nb"], {"newline": "unix", "unicode_form": "NFC", "lowercase": False}, 1, "")
@example(["a", "\ufeff", "b"], {"newline": "unix", "unicode_form": "NFC", "lowercase": False}, 2, "\n\n")
def test_files_of_a_stream_are_read_each_by_itself_and_joined(
    tmp_path_factory: pytest.TempPathFactory, contents: list[str], cleaning: dict[str, Any], chunk_bytes: int, join: str
) -> None:
    params = DataParams(join=join, **cleaning)
    expected = joined([normalise(content, params) for content in contents], normalise(join, params))
    assert stream(contents, tmp_path_factory.mktemp("stream"), chunk_bytes, params) == expected


@pytest.mark.parametrize(
    ("first", "join", "added"),
    [("a\n", "\n\n", "\n"), ("a\n\n", "\n\n", ""), ("a", "\n\n", "\n\n"), ("a\n", "", ""), ("a\n", "\n---\n", "---\n")],
)
def test_what_the_end_of_a_file_has_of_the_rule_is_not_added_again(
    tmp_path: Path, first: str, join: str, added: str
) -> None:
    assert stream([first, "b\n"], tmp_path, 2**18, DataParams(join=join)) == [first + added, "b\n"]


# Pieces


@given(
    st.integers(0, 300).flatmap(lambda length: st.tuples(st.just(length), st.sets(st.integers(0, max(length - 1, 0)))))
)
@example((17, {16}))
@example((40, {7, 8, 39}))
def test_the_places_of_line_ends_are_those_that_numpy_finds(case: tuple[int, set[int]]) -> None:
    length, wanted = case
    mask = np.isin(np.arange(length), list(wanted))
    np.testing.assert_array_equal(_places(mask), np.flatnonzero(mask))


@given(st.lists(st.tuples(st.text("ab\né", max_size=4), st.booleans(), st.booleans())))
@example([("ab", True, True), ("", False, True), ("a", True, True)])
def test_a_piece_can_be_left_with_some_documents_and_with_some_characters(
    entries: list[tuple[str, bool, bool]],
) -> None:
    ends = np.cumsum([len(text) + 1 for text, _, _ in entries], dtype=np.int64) - 1
    piece = Piece(3, code_points("".join(text + FILLER for text, _, _ in entries)), ends)
    first = sum(wanted for _, _, wanted in entries)
    kept = np.array([stays for _, stays, _ in entries], dtype=np.bool_)[:first]
    left = piece.documents(kept)
    expected = [text for text, stays, _ in entries[:first] if stays]
    assert (left.file, documents_of(left)) == (3, expected)
    without_a = piece.only(piece.points != ord("a"))
    assert documents_of(without_a) == [text.replace("a", "") for text, _, _ in entries]
    assert documents_of(piece) == [text for text, _, _ in entries]
    without_line_feeds = piece.only(piece.points != ord(FILLER))
    assert documents_of(without_line_feeds) == [text.replace("\n", "") for text, _, _ in entries]


def test_a_file_that_does_not_decode_is_named(tmp_path: Path) -> None:
    files: tuple[TextFile, ...] = text_files(["a\n", b"b\xff\n"], tmp_path)
    with pytest.raises(CorpusError, match=r"/1\.txt: is not utf-8 text: invalid start byte at byte offset 1"):
        list(read_pieces(files, DataParams(documents="lines")))
