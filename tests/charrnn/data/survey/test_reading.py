"""What of a text is read to look at it."""

from pathlib import Path

import pytest

from charrnn.data.survey import reading
from charrnn.data.survey.reading import read_sample
from charrnn.errors import CorpusError
from tests.charrnn.data.survey.files import text_file


@pytest.fixture
def _little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 300)


def test_small_files_are_read_whole(tmp_path: Path) -> None:
    files = [text_file(tmp_path / name, content) for name, content in {"a": "one\ntwo", "b": "three\n"}.items()]
    sample = read_sample(files, spread=True)
    assert sample.pieces == ("one\ntwo", "three\n")
    assert (sample.size, sample.encodings, sample.line_ends) == (13, (), ())


@pytest.mark.usefixtures("_little")
def test_of_a_large_file_beginning_middle_and_end_are_read_in_whole_lines(tmp_path: Path) -> None:
    lines = [f"line {number:04}\n" for number in range(1000)]
    sample = read_sample([text_file(tmp_path / "a", "".join(lines))], spread=True)
    first, middle, last = sample.pieces
    assert first == "".join(lines[:10])
    assert set(middle.splitlines(keepends=True)) <= set(lines[490:510])
    assert last == "".join(lines[-10:]) or last == "".join(lines[-9:])
    assert sample.size <= 300


@pytest.mark.usefixtures("_little")
def test_of_records_only_the_beginning_is_read(tmp_path: Path) -> None:
    sample = read_sample([text_file(tmp_path / "a", "0123456789\n" * 100)], spread=False)
    assert sample.pieces == ("0123456789\n" * 27,)


@pytest.mark.usefixtures("_little")
def test_what_small_files_leave_goes_to_large_ones(tmp_path: Path) -> None:
    small = [text_file(tmp_path / f"{number}", "ab\n") for number in range(10)]
    sample = read_sample([*small, text_file(tmp_path / "large", "x" * 10_000)], spread=True)
    assert sample.size == 300
    assert sample.pieces[:10] == ("ab\n",) * 10


def test_of_very_many_files_some_at_equal_distances_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_FILES", 5)
    files = [text_file(tmp_path / f"{number}", f"{number}") for number in range(23)]
    assert read_sample(files, spread=True).pieces == ("0", "4", "9", "13", "18")


@pytest.mark.usefixtures("_little")
def test_a_character_that_is_cut_is_no_mistake(tmp_path: Path) -> None:
    for shift in range(4):
        sample = read_sample([text_file(tmp_path / "a", "x" * shift + "€😀é" * 500)], spread=True)
        assert sample.encodings == ()
        assert set("".join(sample.pieces)) <= set("x€😀é")


@pytest.mark.usefixtures("_little")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_part_in_a_wide_encoding_begins_with_a_whole_character(tmp_path: Path, encoding: str) -> None:
    for length in range(500, 504):
        sample = read_sample([text_file(tmp_path / "a", ("é" * length).encode(encoding))], spread=True)
        assert len(sample.pieces) == 3
        assert set("".join(sample.pieces)) == {"é"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_a_mark_says_the_encoding_and_is_no_character(tmp_path: Path, encoding: str) -> None:
    text = "\ufeff" * (encoding == "utf-16-be") + "Ärger\nÖl\n"
    sample = read_sample([text_file(tmp_path / "a", text.encode(encoding))], spread=True)
    assert sample.pieces == ("Ärger\nÖl\n",)
    assert bool(sample.encodings) == (encoding != "utf-8-sig")


def test_a_file_that_is_not_utf_8_is_recognised(tmp_path: Path) -> None:
    text = "Müller und Bäcker grüßen höflich.\n" * 20
    files = [text_file(tmp_path / "a", "plain\n"), text_file(tmp_path / "b", text.encode("cp1252"))]
    sample = read_sample(files, spread=True)
    assert (sample.pieces, sample.encodings) == (("plain\n", text), ("cp1252",))


@pytest.mark.usefixtures("_little")
def test_the_encoding_is_that_of_the_whole_file_and_of_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = "plain\n" * 100 + "Müller und Bäcker grüßen höflich.\n" * 3 + "plain\n" * 100
    assert read_sample([text_file(tmp_path / "a", late.encode("cp1252"))], spread=False).encodings == ("cp1252",)
    monkeypatch.setattr(reading, "MOST_FILES", 1)
    files = [text_file(tmp_path / "b", "plain\n"), text_file(tmp_path / "c", late.encode("cp1252"))]
    assert read_sample(files, spread=True).encodings == ("cp1252",)


def test_what_is_damaged_is_shown_as_damaged(tmp_path: Path) -> None:
    file = text_file(tmp_path / "a", "Müller\n".encode() * 20 + b"M\xfcller\n")
    assert read_sample([file], spread=True).pieces == ("Müller\n" * 20 + "M\ufffdller\n",)


@pytest.mark.parametrize(
    ("ends", "found"),
    [(("\r\n", "\r\n"), ("CR LF",)), (("\r", "\r"), ("CR",)), (("\r", "\r\n"), ("CR LF", "CR")), (("\n", "\n"), ())],
)
def test_line_ends_are_unified_and_told_apart(tmp_path: Path, ends: tuple[str, str], found: tuple[str, ...]) -> None:
    sample = read_sample([text_file(tmp_path / "a", f"one{ends[0]}two{ends[1]}")], spread=True)
    assert (sample.pieces, sample.line_ends) == (("one\ntwo\n",), found)


@pytest.mark.parametrize("size", range(88, 104))
def test_a_cr_lf_that_a_cut_divides_is_no_cr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 3 * size)
    assert read_sample([text_file(tmp_path / "a", "ab\r\n" * 1000)], spread=True).line_ends == ("CR LF",)


@pytest.mark.parametrize("content", [b"\x00\x01\x02\x03" * 100, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10])
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CorpusError, match=r"picture: (has NUL bytes|is not utf-8 text)"):
        read_sample([text_file(tmp_path / "picture", content)], spread=True)
