import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.data.vocabulary import UNKNOWN, Vocabulary, character_name, code_points, describe, printable
from charrnn.errors import FileError, VocabularyError

# Lone surrogates included: some encodings yield them.
ANY_TEXT = st.text(st.characters(), min_size=1)


def vocabulary_of(text: str) -> Vocabulary:
    characters = "".join(sorted(set(text)))
    return Vocabulary(characters, tuple(map(text.count, characters)), tuple(map(text.index, characters)))


def of_size(characters: int) -> Vocabulary:
    return Vocabulary("".join(map(chr, range(characters))), (1,) * characters, tuple(range(characters)))


# Encoding and decoding


@given(ANY_TEXT)
@example("é\u0301 e\r\n\0 中文 😀👩\u200d🚀_")
@example("\ud83d\ude00 \udfff\ud800")
@example("\U0010ffff\uffff\ufeff")
def test_decoding_gives_back_any_text(text: str) -> None:
    vocabulary = vocabulary_of(text)
    ids = vocabulary.encode(text)
    assert ids.shape == (len(text),)
    assert ids.dtype == vocabulary.dtype
    assert vocabulary.decode(ids) == text
    assert vocabulary.decode(list(map(int, ids))) == text


@given(ANY_TEXT)
@example("_")
def test_an_id_is_the_place_among_the_code_points_and_none_is_the_stop_symbol(text: str) -> None:
    vocabulary = vocabulary_of(text)
    ids = vocabulary.encode(text)
    assert [sorted(set(map(ord, text)))[i] for i in ids] == list(map(ord, text))
    assert vocabulary.stop_id not in ids
    assert vocabulary.size == vocabulary.stop_id + 1 == len(set(text)) + 1


@given(ANY_TEXT, ANY_TEXT)
@example("abc", "xaybzc")
@example("".join(map(chr, range(300))), "a\u0104b")
def test_what_has_no_id_is_left_out_of_what_is_known(characters: str, text: str) -> None:
    vocabulary, points = vocabulary_of(characters), code_points(text)
    known = "".join(character for character in text if character in characters)
    assert vocabulary.knows(points).tolist() == [character in characters for character in text]
    ids = vocabulary.encode_points(points[vocabulary.knows(points)])
    assert ids.dtype == vocabulary.dtype
    assert ids.tolist() == vocabulary.encode(known).tolist()
    without = vocabulary.encode_points(points, np.flatnonzero(~vocabulary.knows(points)))
    assert without.dtype == vocabulary.dtype
    assert without.tolist() == ids.tolist()


def test_the_stop_symbol_vanishes_and_an_underscore_stays() -> None:
    vocabulary = vocabulary_of("a_b")
    a_padded_text = [*vocabulary.encode("a_b"), vocabulary.stop_id, 1, vocabulary.stop_id]
    assert vocabulary.decode(a_padded_text) == f"a_b{vocabulary.characters[1]}"


@pytest.mark.parametrize(
    ("characters", "dtype"), [(1, "uint8"), (255, "uint8"), (256, "uint16"), (65_535, "uint16"), (65_536, "uint32")]
)
def test_ids_take_the_smallest_type_that_holds_the_stop_symbol_too(characters: int, dtype: str) -> None:
    vocabulary = of_size(characters)
    assert vocabulary.dtype == np.dtype(dtype)
    assert np.array([vocabulary.stop_id]).astype(vocabulary.dtype)[0] == characters
    last = vocabulary.characters[-1]
    assert vocabulary.decode(vocabulary.encode(last)) == last


def test_no_text_has_no_ids() -> None:
    vocabulary = vocabulary_of("ab")
    assert vocabulary.encode("").shape == (0,)
    assert vocabulary.encode("").dtype == np.uint8
    assert vocabulary.decode([]) == ""


def test_the_table_knows_the_characters_and_no_others() -> None:
    table = vocabulary_of("b😀a").table
    assert table.shape == (0x110000,)
    assert [int(table[ord(character)]) for character in "ab😀"] == [0, 1, 2]
    assert (table != UNKNOWN).sum() == 3


@pytest.mark.parametrize(("text", "dtype"), [("a\0\x7f", np.uint8), ("é", np.uint32), ("😀\ud800", np.uint32)])
def test_code_points_are_those_of_the_characters(text: str, dtype: type) -> None:
    assert code_points(text).dtype == dtype
    assert code_points(text).tolist() == list(map(ord, text))


def test_unknown_characters_are_named_once_in_order_of_appearance() -> None:
    vocabulary = vocabulary_of("abc")
    assert vocabulary.unknown("cab") == ""
    assert vocabulary.unknown("xaéxb\né") == "xé\n"
    with pytest.raises(VocabularyError) as caught:
        vocabulary.encode("aé\n")
    expected = r"not in the vocabulary: 'é' (LATIN SMALL LETTER E WITH ACUTE), '\n' (LINE FEED)"
    assert str(caught.value) == expected


@pytest.mark.parametrize(("ids", "found"), [([-1], "-1 to -1"), ([0, 4], "0 to 4"), (np.array([2**40]), "1099511")])
def test_ids_of_no_character_are_an_error(ids: list[int], found: str) -> None:
    with pytest.raises(VocabularyError, match=f"ids must be 0 to 3, got {found}"):
        vocabulary_of("abc").decode(ids)


@pytest.mark.parametrize(
    ("characters", "counts", "first_seen"),
    [("", (), ()), ("ba", (1, 1), (0, 1)), ("aa", (1, 1), (0, 1)), ("ab", (1,), (0, 1)), ("ab", (1, 1), (0,))],
)
def test_a_vocabulary_must_be_sorted_distinct_and_complete(
    characters: str, counts: tuple[int, ...], first_seen: tuple[int, ...]
) -> None:
    with pytest.raises(VocabularyError, match="must"):
        Vocabulary(characters, counts, first_seen)


# Saving and loading


@given(ANY_TEXT)
@example("\ud83d\ude00")
def test_what_was_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "vocabulary.json"
    vocabulary = vocabulary_of(text)
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary
    assert path.read_bytes().isascii()


def test_plain_values_are_enough_to_make_it_again() -> None:
    vocabulary = vocabulary_of("to be or not")
    assert Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary
    assert Vocabulary.from_dict({**vocabulary.to_dict(), "characters": vocabulary.characters}) == vocabulary


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"characters": ["a", "b"], "counts": [1, 1], "first_',
        b"[]",
        b"null",
        b"\xff",
        b'{"characters": ["a", "b"], "counts": [1, 1]}',
        b'{"characters": ["b", "a"], "counts": [1, 1], "first_seen": [0, 1]}',
        b'{"characters": ["a", "b"], "counts": [1], "first_seen": [0, 1]}',
        b'{"characters": ["a", "b"], "counts": [1, "x"], "first_seen": [0, 1]}',
        b'{"characters": ["a", "b"], "counts": [1, null], "first_seen": [0, 1]}',
        b'{"characters": [1, 2], "counts": [1, 1], "first_seen": [0, 1]}',
        b'{"characters": null, "counts": [1, 1], "first_seen": [0, 1]}',
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_bytes(content)
    with pytest.raises(VocabularyError) as caught:
        Vocabulary.load(path)
    assert str(caught.value).startswith(f"{path}: is not a vocabulary (")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"vocabulary\.json: cannot read: No such file or directory$"):
        Vocabulary.load(tmp_path / "vocabulary.json")


# What people see


def test_the_table_of_characters_has_a_row_for_each() -> None:
    text = "to be\n é😀 to"
    frame = vocabulary_of(text).to_frame()
    assert frame["id"].tolist() == list(range(len(set(text))))
    row = frame.set_index("code_point").loc["U+0074"]
    assert (row["id"], row["character"], row["name"]) == (sorted(set(text)).index("t"), "t", "LATIN SMALL LETTER T")
    assert (row["category"], row["count"], row["share"], row["first_seen_at"]) == ("Ll", 2, 2 / len(text), 0)
    assert frame["count"].tolist() == [Counter(text)[character] for character in sorted(set(text))]
    assert frame["first_seen_at"].tolist() == [text.index(character) for character in sorted(set(text))]
    assert frame["share"].sum() == pytest.approx(1)
    assert frame["character"].tolist()[:2] == [r"\n", "␣"]
    assert frame["code_point"].tolist()[-1] == "U+1F600"


@pytest.mark.parametrize(
    ("character", "seen", "name"),
    [
        ("a", "a", "LATIN SMALL LETTER A"),
        ("中", "中", "CJK UNIFIED IDEOGRAPH-4E2D"),
        ("\n", r"\n", "LINE FEED"),
        ("\r", r"\r", "CARRIAGE RETURN"),
        ("\t", r"\t", "TABULATION"),
        ("\0", r"\x00", "NULL"),
        ("\x1b", r"\x1b", "<Cc>"),
        (" ", "␣", "SPACE"),
        ("\u00a0", r"\xa0", "NO-BREAK SPACE"),
        ("\ue000", r"\ue000", "<Co>"),
        ("\ud800", r"\ud800", "<Cs>"),
        ("'", "'", "APOSTROPHE"),
    ],
)
def test_every_character_can_be_seen_and_has_a_name(character: str, seen: str, name: str) -> None:
    assert printable(character) == seen
    assert character_name(character) == name
    assert describe(character) == f"'{seen}' ({name})"


def test_a_long_list_of_characters_is_cut() -> None:
    assert describe("abcd", most=2) == "'a' (LATIN SMALL LETTER A), 'b' (LATIN SMALL LETTER B) and 2 more"
    assert "more" not in describe("abcdefghij")
    assert describe("") == ""
