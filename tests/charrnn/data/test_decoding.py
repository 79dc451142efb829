import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.schema import DataParams
from charrnn.data.corpus import Corpus, fetch_corpus
from charrnn.data.decoding import read_file, undecoded
from charrnn.data.guessing import ADVICE, CONVERT
from charrnn.data.text_file import TextFile, file_sha256
from charrnn.errors import CorpusError, FileError, ParamsError
from tests.source_fixtures import one_line, zipped
from tests.texts import JAPANESE, RUSSIAN

AS_IT_IS = DataParams(newline="keep", unicode_form="none")

# Characters that normalising or lower-casing does something to, alone or beside others: composing ones, Hangul letters,
# ligatures, sigma and what it looks past, letters whose lower case is longer, line ends, marks of the byte order.
AWKWARD = "aA \n\r.'Σσςé\u0301\u0308\u0327\u0345\u00ad中한\u1112\u1161\u11abİ\u0131ßǅ\u017fﬁ\u200d\ufeff\0😀\U000e0067"
TEXTS = st.text(st.sampled_from(AWKWARD) | st.characters(exclude_categories=["Cs"]), max_size=30)
CHUNKS = st.integers(1, 12)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("text") / "text.txt"


def file_of(path: Path) -> TextFile:
    return TextFile("the file", path, file_sha256(path), path.stat().st_size)


def read(path: Path, params: DataParams, chunk_bytes: int = 2**20) -> str:
    return "".join(read_file(file_of(path), params, chunk_bytes))


def in_one_piece(text: str, params: DataParams) -> str:
    text = text.removeprefix("\ufeff")
    if params.newline == "unix":
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


@given(
    TEXTS,
    CHUNKS,
    st.builds(
        DataParams,
        newline=st.sampled_from(["unix", "keep"]),
        encoding=st.sampled_from(["utf-8", "utf-16-le", "utf-32-be", "gb18030", "utf-7"]),
    ),
)
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
    pieces = list(read_file(file_of(path), DataParams(), chunk_bytes=100))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 110


def test_pieces_end_with_a_line_end_where_one_is_near(path: Path) -> None:
    path.write_text("one\ntwo\nthree\nfour, which is long\nfive")
    assert list(read_file(file_of(path), DataParams(), chunk_bytes=10)) == [
        "one\ntwo\n",
        "three\n",
        "four, whic",
        "h is long\n",
        "five",
        "",
    ]


def test_what_is_not_asked_for_is_not_read(path: Path) -> None:
    path.write_bytes(b"0123456789" * 10 + b"\xff")
    pieces = read_file(file_of(path), DataParams(), chunk_bytes=10)
    assert next(pieces) + next(pieces) == "01234567890123456789"


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
    assert text.startswith("the file: is not utf-8 text: ")
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
    assert f"the file: is not {encoding} text: " in one_line(caught.value)
    advice = "set data.encoding to what it is, or to auto"
    assert f" at byte offset {offset} (0x{content[offset]:02x}); {advice}" in str(caught.value)


def test_an_encoding_that_tells_no_offset_is_an_error_all_the_same(path: Path) -> None:
    path.write_bytes(b"a\0b\0")
    with pytest.raises(
        CorpusError, match=r"^the file: is not utf-16 text: .*BOM.*, or to auto, or convert it \(iconv "
    ):
        read(path, DataParams(encoding="utf-16"))


@pytest.mark.parametrize(
    "encoding", ["", "utf-9", "hex", "rot13", "base64", "undefined", "idna", "unicode escape", "utf\0", "\N{SNOWMAN}"]
)
def test_what_is_no_text_encoding_is_a_parameter_error(path: Path, encoding: str) -> None:
    path.write_bytes(b"text")
    with pytest.raises(ParamsError) as caught:
        read(path, DataParams(encoding=encoding))
    expected = f"data.encoding: must be auto, or a text encoding such as utf-8 or latin-1, got {encoding!r}"
    assert one_line(caught.value) == expected


def test_a_file_that_cannot_be_read_is_a_file_error(tmp_path: Path) -> None:
    for params in (DataParams(), DataParams(encoding="auto")):
        with pytest.raises(FileError, match=r"/gone\.txt: cannot read: No such file or directory$"):
            list(read_file(TextFile("x", tmp_path / "gone.txt", "", 1), params))
        with pytest.raises(FileError, match=r": cannot read: Is a directory$"):
            list(read_file(TextFile("x", tmp_path, "", 1), params))


def test_an_empty_file_has_no_text(path: Path) -> None:
    for content in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(content)
        assert read(path, DataParams()) == ""


# Several files


def fetched(*sources: Path) -> Corpus:
    return fetch_corpus(DataParams(sources=tuple(map(str, sources)), directory=str(sources[0].parent / "data")))


def in_files(folder: Path, contents: dict[str, bytes]) -> Path:
    (folder / "d").mkdir()
    for name, content in contents.items():
        (folder / "d" / name).write_bytes(content)
    return folder / "d" / "*.txt"


def in_a_zip(folder: Path, contents: dict[str, bytes]) -> Path:
    return zipped(folder / "t.zip", **contents)


def in_gzip_files(folder: Path, contents: dict[str, bytes]) -> Path:
    return in_files(folder, {name: gzip.compress(content) for name, content in contents.items()})


Put = Callable[[Path, dict[str, bytes]], Path]


@pytest.mark.parametrize("put", [in_files, in_a_zip, in_gzip_files])
@pytest.mark.parametrize(
    ("encoding", "codecs"),
    [
        ("utf-8", ["utf-8-sig", "utf-8-sig", "utf-8"]),
        ("utf-16", ["utf-16-le", "utf-16-be", "utf-16-le"]),
        ("utf-32", ["utf-32-be", "utf-32-le", "utf-32-be"]),
        ("auto", ["utf-16-be", "utf-8-sig", "utf-32-le"]),
        ("auto", ["utf-8", "cp1251", "shift_jis"]),
    ],
)
def test_each_file_is_read_by_its_own_mark_which_is_no_text(
    tmp_path: Path, put: Put, encoding: str, codecs: list[str]
) -> None:
    texts = ["Anna\nBöb", RUSSIAN if "cp1251" in codecs else "Carl", JAPANESE if "shift_jis" in codecs else "Dora\n"]
    contents = {}
    for number, (codec, text) in enumerate(zip(codecs, texts, strict=True)):
        mark = "\ufeff" if codec.startswith(("utf-16", "utf-32")) else ""
        contents[f"{number}.txt"] = (mark + text).encode(codec)
    corpus = fetched(put(tmp_path, contents))
    params = DataParams(encoding=encoding)
    assert ["".join(read_file(file, params)) for file in corpus.files] == texts


@pytest.mark.parametrize("put", [in_files, in_a_zip, in_gzip_files])
def test_an_error_names_the_file_and_the_offset_in_that_file(tmp_path: Path, put: Put) -> None:
    source = put(tmp_path, {"a.txt": b"before " * 9, "b.txt": "a café".encode("cp1252"), "c.txt": b"after"})
    _, file, _ = fetched(source).files
    with pytest.raises(CorpusError) as caught:
        list(read_file(file, DataParams()))
    name = f"{source}: b.txt" if put is in_a_zip else f"{tmp_path}/d/b.txt"
    problem = "is not utf-8 text: unexpected end of data at byte offset 5 (0xe9)"
    assert one_line(caught.value) == f"{name}: {problem}; set data.encoding to what it is, or to auto, or {CONVERT}"


@pytest.mark.parametrize(
    ("codec", "mark"), [("utf-16", "utf-16"), ("utf-32", "utf-32"), ("utf-16-be", "utf-16"), ("utf-32-be", "utf-32")]
)
@pytest.mark.parametrize("chunk_bytes", [1, 100])
def test_a_mark_of_another_encoding_is_named(path: Path, codec: str, mark: str, chunk_bytes: int) -> None:
    path.write_bytes(("" if codec in ("utf-16", "utf-32") else "\ufeff").encode(codec) + "text".encode(codec))
    with pytest.raises(
        CorpusError, match=rf", and it begins with the byte-order mark of {mark}; set data.encoding to "
    ):
        read(path, DataParams(), chunk_bytes)


def test_under_auto_a_broken_utf8_file_is_an_error_with_its_offset_and_no_advice_to_set_auto(path: Path) -> None:
    path.write_bytes(RUSSIAN.encode() + b"\xff" + RUSSIAN.encode())
    with pytest.raises(CorpusError) as caught:
        read(path, DataParams(encoding="auto"))
    at = f"at byte offset {len(RUSSIAN.encode())} (0xff)"
    assert one_line(caught.value) == (f"the file: is not utf-8 text: invalid start byte {at}; {ADVICE}")


@pytest.mark.parametrize(
    ("encoding", "advice"), [("utf-8", "auto, or what they all are"), ("auto", "what they all are")]
)
def test_files_that_cannot_be_read_are_named_in_one_line(tmp_path: Path, encoding: str, advice: str) -> None:
    bad = RUSSIAN.encode() + b"\xff" + RUSSIAN.encode()  # most of it is UTF-8, whatever the encoding is
    contents = {f"{number}.txt": bad if number % 2 else RUSSIAN.encode() for number in range(16)}
    files = fetched(in_files(tmp_path, contents)).files
    line = undecoded(files, DataParams(encoding=encoding))
    bad_files = [file.name for file in files if file.path.read_bytes() == bad]
    assert line.startswith(f"8 of 16 files are not what data.encoding = {encoding} can read: {bad_files[0]} (")
    assert [name in line for name in bad_files] == [True] * 5 + [False] * 3
    assert f"at byte offset {len(RUSSIAN.encode())} (0xff)), {bad_files[1]} (" in line
    assert line.endswith(f" and 3 more; {CONVERT}, or set data.encoding to {advice}")
    assert "\n" not in line


def test_where_at_most_one_file_cannot_be_read_there_is_no_list_of_them(tmp_path: Path) -> None:
    files = fetched(in_files(tmp_path, {"a.txt": b"a", "b.txt": b"\xff"})).files
    assert undecoded(files, DataParams()) == undecoded(files[:1], DataParams()) == ""
