import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.schema import DataParams
from charrnn.data.decoding import read_text
from charrnn.errors import CorpusError, FileError, ParamsError
from tests.source_fixtures import one_line

AS_IT_IS = DataParams(newline="keep", unicode_form="none")

# Characters that normalising or lower-casing does something to, alone or beside others: composing ones, Hangul letters,
# ligatures, sigma and what it looks past, letters whose lower case is longer, line ends, marks of the byte order.
AWKWARD = "aA \n\r.'Σσςé\u0301\u0308\u0327\u0345\u00ad中한\u1112\u1161\u11abİ\u0131ßǅ\u017fﬁ\u200d\ufeff\0😀\U000e0067"
TEXTS = st.text(st.sampled_from(AWKWARD) | st.characters(exclude_categories=["Cs"]), max_size=30)
CHUNKS = st.integers(1, 12)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("text") / "text.txt"


def read(path: Path, params: DataParams, chunk_bytes: int = 2**20) -> str:
    return "".join(read_text(path, params, chunk_bytes))


def in_one_piece(text: str, params: DataParams) -> str:
    text = text.removeprefix("\ufeff")
    if params.newline == "unix":
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if params.lowercase:
        text = text.lower()
    if params.unicode_form != "none":
        text = unicodedata.normalize(params.unicode_form, text)
    return text[: params.max_characters]


@given(
    TEXTS,
    CHUNKS,
    st.builds(
        DataParams,
        unicode_form=st.sampled_from(["none", "NFC", "NFD", "NFKC", "NFKD"]),
        newline=st.sampled_from(["unix", "keep"]),
        lowercase=st.booleans(),
        max_characters=st.none() | st.integers(1, 20),
        encoding=st.sampled_from(["utf-8", "utf-16-le", "utf-32-be", "gb18030", "utf-7"]),
    ),
)
@example("ΑΣ.'B", 1, DataParams(lowercase=True))
@example("Σ'a", 2, DataParams(lowercase=True))
@example("a'Σ", 1, DataParams(lowercase=True))
@example("e\u0301", 1, DataParams())
@example("\ufeff\r\n", 1, DataParams())
def test_the_size_of_the_pieces_never_changes_the_text(
    path: Path, text: str, chunk_bytes: int, params: DataParams
) -> None:
    path.write_bytes(text.encode(params.encoding))
    assert read(path, params, chunk_bytes) == in_one_piece(text, params)


@pytest.mark.parametrize("words", ["Stücke ", "Stücke\n", "Pieces"])
def test_a_text_much_longer_than_a_piece_is_read_in_pieces_of_that_size(path: Path, words: str) -> None:
    text = words * 200
    path.write_text(text, encoding="utf-8")
    pieces = list(read_text(path, DataParams(), chunk_bytes=100))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 110
    assert "" not in pieces


def test_reading_stops_where_enough_was_read(path: Path) -> None:
    path.write_bytes(b"0123456789" * 10 + b"\xff")
    pieces = read_text(path, DataParams(max_characters=15), chunk_bytes=10)
    assert "".join(pieces) == "012345678901234"


def test_the_normal_form_is_cut_and_not_the_text(path: Path) -> None:
    path.write_text("e\u0301x", encoding="utf-8")
    assert read(path, DataParams(max_characters=1)) == "é"
    assert read(path, DataParams(unicode_form="NFD", max_characters=1)) == "e"


@pytest.mark.parametrize(
    ("newline", "expected"), [("unix", "a\nb\nc\nd\n\ne\u2028f\x85g"), ("keep", "a\r\nb\rc\nd\n\re\u2028f\x85g")]
)
def test_line_ends_become_one_symbol_unless_they_are_kept(path: Path, newline: str, expected: str) -> None:
    path.write_bytes("a\r\nb\rc\nd\n\re\u2028f\x85g".encode())
    params = DataParams.model_validate({"newline": newline, "unicode_form": "none"})
    for chunk_bytes in (1, 2, 100):
        assert read(path, params, chunk_bytes) == expected


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("utf-8-sig", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("utf-32", "utf-32")],
)
def test_a_byte_order_mark_is_no_text_and_another_later_is(path: Path, encoding: str, name: str) -> None:
    path.write_bytes("ab\ufeffc".encode(encoding))
    for chunk_bytes in (1, 3, 100):
        assert read(path, AS_IT_IS.model_copy(update={"encoding": name}), chunk_bytes) == "ab\ufeffc"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "koi8-r", "shift_jis", "iso2022_jp", "UTF8", "utf_16_be"])
def test_other_encodings_are_read(path: Path, encoding: str) -> None:
    text = {"koi8-r": "Война и мир", "shift_jis": "吾輩は猫である", "iso2022_jp": "吾輩は猫である"}.get(
        encoding, "Bücher"
    )
    path.write_bytes(text.encode(encoding))
    for chunk_bytes in (1, 2, 3, 100):
        assert read(path, DataParams(encoding=encoding), chunk_bytes) == text


@given(
    st.text(max_size=8), CHUNKS, st.sampled_from([b"\xff", b"\x80", b"\xe4x", b"\xe4\xb8", b"\xed\xa0\x80", b"\xf5"])
)
@example("é", 1, b"\xe4\xb8")
@example("abc", 4, b"\xe4x")
def test_what_is_not_utf_8_is_an_error_with_its_byte_offset(
    path: Path, before: str, chunk_bytes: int, wrong: bytes
) -> None:
    start = before.encode()
    path.write_bytes(start + wrong)
    with pytest.raises(CorpusError) as caught:
        read(path, DataParams(), chunk_bytes)
    text = one_line(caught.value)
    assert text.startswith(f"{path}: is not utf-8 text: ")
    assert f" at byte offset {len(start)} (0x{wrong[0]:02x}); " in text


@pytest.mark.parametrize(
    ("encoding", "content", "offset"),
    [
        ("ascii", b"ab\xe9", 2),
        ("gb18030", b"ab\xff", 2),
        ("cp1252", b"abc\x81", 3),
        ("shift_jis", "吾輩".encode("shift_jis") + b"\x81", 4),
        ("utf-16-le", b"a\0b\0\0\xdcc\0", 4),
        ("utf-16", b"\xff\xfea\0b", 4),
        ("utf-32-be", b"\0\0\0a\0\x11\0\0", 4),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 5, 100])
def test_what_is_not_in_another_encoding_is_an_error_with_its_byte_offset(
    path: Path, encoding: str, content: bytes, offset: int, chunk_bytes: int
) -> None:
    path.write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        read(path, DataParams(encoding=encoding), chunk_bytes)
    assert f"{path}: is not {encoding} text: " in one_line(caught.value)
    assert f" at byte offset {offset} (0x{content[offset]:02x}); set data.encoding" in str(caught.value)


def test_an_encoding_that_tells_no_offset_is_an_error_all_the_same(path: Path) -> None:
    path.write_bytes(b"xn--a")
    with pytest.raises(CorpusError, match=r"text\.txt: is not idna text: "):
        read(path, DataParams(encoding="idna"))


@pytest.mark.parametrize("encoding", ["", "utf-9", "hex", "rot13", "base64", "undefined", "utf\0", "\N{SNOWMAN}"])
def test_what_is_no_text_encoding_is_a_parameter_error(path: Path, encoding: str) -> None:
    path.write_bytes(b"text")
    with pytest.raises(ParamsError) as caught:
        read(path, DataParams(encoding=encoding))
    expected = f"data.encoding: must be a text encoding such as utf-8 or latin-1, got {encoding!r}"
    assert one_line(caught.value) == expected


def test_a_file_that_cannot_be_read_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"/gone\.txt: cannot read: No such file or directory$"):
        read(tmp_path / "gone.txt", DataParams())
    with pytest.raises(FileError, match=r": cannot read: Is a directory$"):
        read(tmp_path, DataParams())


def test_an_empty_file_has_no_pieces(path: Path) -> None:
    for content in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(content)
        assert list(read_text(path, DataParams())) == []
