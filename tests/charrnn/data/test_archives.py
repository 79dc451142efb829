import gzip
import io
import lzma
import random
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from charrnn.data.archives import Member, archive_format, members, members_of, read_bytes, wheel_members
from charrnn.errors import SourceError
from tests.source_fixtures import OTHER, TEXT, one_line, zipped

PLAY = b"# Play\n\n**First Lord**  \nWell,  \nwell.\n\n_Exit_\n"
SPOKEN = b"FIRST LORD:\nWell,\nwell.\n"
MOST = 100_000


def zip_of(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zip": lambda content: zip_of(**{"a.txt": content}),
}


def read(members: Iterator[Member]) -> dict[str, bytes]:
    return {member.name: b"".join(member.pieces) for member in members}


def texts_of(path: Path) -> dict[str, bytes]:
    """Return the text of each member of an archive by its name in messages; plain text has one member."""
    found = members_of(path, path.name, "x")
    return read(found) if found else {"x": b"".join(read_bytes(path))}


def of_wheel(path: Path, max_bytes: int = MOST) -> dict[str, bytes]:
    return read(wheel_members(path, max_bytes, "x"))


# What it is


@pytest.mark.parametrize("archive", PACK)
@pytest.mark.parametrize("name", ["text", "text.txt", "text.zip"])
def test_an_archive_is_told_by_its_first_bytes_whatever_its_name(tmp_path: Path, archive: str, name: str) -> None:
    (tmp_path / name).write_bytes(PACK[archive](TEXT))
    assert archive_format(tmp_path / name, name, name) == archive
    assert texts_of(tmp_path / name) == {"x: a.txt" if archive == "zip" else "x": TEXT}


@pytest.mark.parametrize("content", [b"", b"P", b"PKZIP is a program", b"\x1f", b"\xfd7zX", TEXT])
def test_everything_else_is_plain_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    assert archive_format(tmp_path / "text.txt", "text.txt", "x") is None
    assert texts_of(tmp_path / "text.txt") == {"x": content}


@pytest.mark.parametrize(("suffix", "archive"), [("gz", "gzip"), ("XZ", "xz"), ("zip", "zip")])
def test_a_file_named_like_an_archive_must_be_one(tmp_path: Path, suffix: str, archive: str) -> None:
    (tmp_path / "saved").write_bytes(TEXT)
    with pytest.raises(SourceError, match=f"^the text: is named like a {archive} archive and is none$"):
        archive_format(tmp_path / "saved", f"text.{suffix}", "the text")


def test_an_empty_file_named_like_an_archive_is_left_to_be_called_empty(tmp_path: Path) -> None:
    (tmp_path / "text.gz").touch()
    assert archive_format(tmp_path / "text.gz", "text.gz", "x") is None


def test_the_parts_of_a_gzip_file_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(gzip.compress(b"a\n") + gzip.compress(b"b\n"))
    assert texts_of(tmp_path / "text") == {"x": b"a\nb\n"}


@pytest.mark.parametrize("pack", [*PACK.values(), bytes])
def test_a_large_text_comes_in_pieces(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    large = random.Random(0).randbytes(1_500_000)
    (tmp_path / "text").write_bytes(pack(large))
    found = members_of(tmp_path / "text", "text", "x")
    (pieces,) = [list(member.pieces) for member in found] if found else [list(read_bytes(tmp_path / "text"))]
    assert b"".join(pieces) == large
    assert max(map(len, pieces)) <= 2**20


# Zip archives


def test_the_texts_in_a_zip_are_apart_and_sorted_by_name(tmp_path: Path) -> None:
    members = {"b.md": b"# b\n", "a.TXT": b"a\n", "c.png": b"\x89", "__MACOSX/._a.txt": b"x", "d.txt/": b""}
    texts = texts_of(zipped(tmp_path / "t.zip", **members))
    assert list(texts.items()) == [("x: a.TXT", b"a\n"), ("x: b.md", b"# b\n")]


@pytest.mark.parametrize("suffix", [".txt", ".md", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".CSV"])
def test_members_with_the_suffix_of_a_text_or_of_records_are_texts(tmp_path: Path, suffix: str) -> None:
    path = zipped(tmp_path / "t.zip", **{f"d/a{suffix}": b"a", f"b{suffix}.bak": b"b", "c.py": b"c"})
    assert texts_of(path) == {f"x: d/a{suffix}": b"a"}


def test_a_member_is_read_before_the_next_is_opened(tmp_path: Path) -> None:
    damaged = zip_of(**{"a.txt": TEXT, "b.txt": OTHER})
    at = damaged.rindex(b"PK\x03\x04")
    (tmp_path / "t.zip").write_bytes(damaged[:at] + b"XX" + damaged[at + 2 :])
    found = members(tmp_path / "t.zip", "zip", "x")
    assert b"".join(next(found).pieces) == TEXT
    with pytest.raises(SourceError, match=r"^x: b\.txt: the zip is damaged: "):
        list(next(found).pieces)


def test_the_only_member_of_a_zip_is_the_text_whatever_its_name(tmp_path: Path) -> None:
    path = zipped(tmp_path / "t.zip", **{"novel": TEXT, "__MACOSX/._novel": b"x", "d/": b""})
    assert texts_of(path) == {"x: novel": TEXT}


@pytest.mark.parametrize(("members", "files"), [({}, 0), ({"d/": b""}, 0), ({"a.png": b"1", "b.png": b"2"}, 2)])
def test_a_zip_without_text_is_an_error(tmp_path: Path, members: dict[str, bytes], files: int) -> None:
    path = zipped(tmp_path / "t.zip", **members)
    with pytest.raises(SourceError) as caught:
        texts_of(path)
    suffixes = ".txt, .md, .csv, .tsv, .jsonl, .ndjson or .parquet"
    assert one_line(caught.value) == f"x: has no {suffixes} among the {files} files in the archive"


def test_an_encrypted_zip_is_an_error(tmp_path: Path) -> None:
    content = bytearray(zip_of(**{"a.txt": TEXT}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    (tmp_path / "secret.zip").write_bytes(content)
    with pytest.raises(SourceError, match=r"^x: the archive is encrypted$"):
        texts_of(tmp_path / "secret.zip")


@pytest.mark.parametrize("pack", [*PACK.values(), bytes])
def test_a_tar_archive_is_an_error_however_it_is_packed(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    (tmp_path / "texts").write_bytes(pack(buffer.getvalue()))
    with pytest.raises(SourceError, match=r"^x(: a\.txt)?: is a tar archive; unpack it and name the texts in it$"):
        texts_of(tmp_path / "texts")


# Damage


@pytest.mark.parametrize("archive", PACK)
@pytest.mark.parametrize("damage", ["cut off", "garbled"])
def test_a_damaged_archive_is_an_error_of_one_line(tmp_path: Path, archive: str, damage: str) -> None:
    content = PACK[archive](TEXT)
    middle = len(content) // 2
    content = content[:middle] if damage == "cut off" else content[:middle] + b"\0" * 20 + content[middle + 20 :]
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        texts_of(tmp_path / "text")
    assert re.match(rf"x(: a\.txt)?: the {archive} is damaged: .", one_line(caught.value))


@pytest.mark.parametrize("archive", [*PACK, "wheel"])
def test_whatever_is_in_an_archive_it_is_unpacked_or_an_error_of_one_line(tmp_path: Path, archive: str) -> None:
    whole = zip_of(**{"a.txt": TEXT, "ü.md": PLAY}) if archive in ("zip", "wheel") else PACK[archive](TEXT)
    draw, path = random.Random(archive), tmp_path / "text"
    outcomes = set()
    for _ in range(200):
        content = bytearray(whole[: draw.choice([None, None, None, draw.randrange(len(whole))])])
        for _ in range(draw.randint(0, 4) if content else 0):
            content[draw.randrange(len(content))] = draw.choice([0, 255, draw.randrange(256)])
        path.write_bytes(content)
        found = wheel_members(path, MOST, "x") if archive == "wheel" else members(path, archive, "x")
        try:
            outcomes.add(sum(map(len, read(found).values())))
        except SourceError as error:
            one_line(error)
            outcomes.add(-1)
    assert len(outcomes) > 1


def test_a_member_without_a_name_is_no_text(tmp_path: Path) -> None:
    # Names end at a NUL.
    (tmp_path / "t.zip").write_bytes(zip_of(**{"QQ": b"lost", "a.txt": TEXT}).replace(b"QQ", b"\0Q"))
    assert texts_of(tmp_path / "t.zip") == {"x: a.txt": TEXT}


def test_an_archive_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"x: the gzip is damaged: .*No such file"):
        read(members(tmp_path / "gone", "gzip", "x"))


# Wheels


def test_the_texts_of_a_wheel_are_apart_and_its_plays_become_text(tmp_path: Path) -> None:
    members = {
        "texts/b.md": PLAY,
        "texts/a.txt": b"A text.\n",
        "texts/c.md": PLAY.replace(b"Well", b"W\xe9ll"),
        "texts/silent.md": b"# Nobody speaks\n",
        "texts/empty.txt": b"",
        "texts/__init__.py": b"raise SystemExit('run')",
        "texts-1.0.dist-info/notes.txt": b"not this",
        "README.md": b"**Nor**\nthis",
        "texts/LICENSE-MIT.txt": b"nor this",
        "texts/licence.md": b"**Nor**\nthis",
        "CHANGELOG.txt": b"nor this",
    }
    expected = {"a.txt": b"A text.\n", "b.md": SPOKEN, "c.md": SPOKEN.replace(b"Well", b"W\xe9ll")}
    found = of_wheel(zipped(tmp_path / "t.whl", **members))
    assert list(found.items()) == [(f"x: texts/{name}", text) for name, text in expected.items()]


def test_a_wheel_without_text_is_an_error(tmp_path: Path) -> None:
    path = zipped(tmp_path / "t.whl", **{"a.py": b"", "README.md": PLAY, "silent.md": b"# Nobody speaks\n"})
    with pytest.raises(SourceError, match=r"^x: there is no text in the package"):
        of_wheel(path)


@pytest.mark.parametrize("members", [{"a.txt": bytes(MOST + 1)}, {"a.md": PLAY + b"\n_Exit_\n" * 20_000}])
def test_a_member_that_is_too_large_is_an_error(tmp_path: Path, members: dict[str, bytes]) -> None:
    path = zipped(tmp_path / "t.whl", **members)
    with pytest.raises(SourceError, match=r"^x: unpacks to more than data.max_megabytes = 0.1 MB$"):
        of_wheel(path)


def test_a_member_just_small_enough_is_accepted(tmp_path: Path) -> None:
    assert of_wheel(zipped(tmp_path / "t.whl", **{"a.txt": b"x" * MOST})) == {"x: a.txt": b"x" * MOST}


def test_what_is_no_wheel_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.whl").write_bytes(TEXT)
    with pytest.raises(SourceError, match=r"^x: the wheel is damaged: File is not a zip file$"):
        of_wheel(tmp_path / "t.whl")
