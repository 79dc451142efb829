import gzip
import io
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.data.archives import archive_format, text_pieces, unpacked, wheel_pieces
from charrnn.errors import SourceError
from tests.source_fixtures import TEXT, one_line, zipped

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


def text_of(path: Path) -> bytes:
    return b"".join(unpacked(path, path.name, str(path)))


def of_wheel(path: Path, max_bytes: int = MOST) -> bytes:
    return b"".join(wheel_pieces(path, max_bytes, "the wheel"))


# What it is


@pytest.mark.parametrize("archive", PACK)
@pytest.mark.parametrize("name", ["text", "text.txt", "text.zip"])
def test_an_archive_is_told_by_its_first_bytes_whatever_its_name(tmp_path: Path, archive: str, name: str) -> None:
    (tmp_path / name).write_bytes(PACK[archive](TEXT))
    assert archive_format(tmp_path / name, name, name) == archive
    assert text_of(tmp_path / name) == TEXT


@pytest.mark.parametrize("content", [b"", b"P", b"PKZIP is a program", b"\x1f", b"\xfd7zX", TEXT])
def test_everything_else_is_plain_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    assert archive_format(tmp_path / "text.txt", "text.txt", "x") is None
    assert text_of(tmp_path / "text.txt") == content


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
    assert text_of(tmp_path / "text") == b"a\nb\n"


@pytest.mark.parametrize("pack", [*PACK.values(), bytes])
def test_a_large_text_comes_in_pieces(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    large = random.Random(0).randbytes(1_500_000)
    (tmp_path / "text").write_bytes(pack(large))
    pieces = list(text_pieces(tmp_path / "text", archive_format(tmp_path / "text", "text", "x"), "x"))
    assert b"".join(pieces) == large
    assert max(map(len, pieces)) <= 2**20


# Zip archives


def test_the_texts_in_a_zip_follow_each_other_sorted_by_name(tmp_path: Path) -> None:
    members = {"b.md": b"# b\n", "a.TXT": b"a\n", "c.png": b"\x89", "__MACOSX/._a.txt": b"x", "d.txt/": b""}
    assert text_of(zipped(tmp_path / "t.zip", **members)) == b"a\n# b\n"


def test_the_only_member_of_a_zip_is_the_text_whatever_its_name(tmp_path: Path) -> None:
    assert text_of(zipped(tmp_path / "t.zip", **{"novel": TEXT, "__MACOSX/._novel": b"x", "d/": b""})) == TEXT


@pytest.mark.parametrize(("members", "files"), [({}, 0), ({"d/": b""}, 0), ({"a.png": b"1", "b.png": b"2"}, 2)])
def test_a_zip_without_text_is_an_error(tmp_path: Path, members: dict[str, bytes], files: int) -> None:
    path = zipped(tmp_path / "t.zip", **members)
    with pytest.raises(SourceError) as caught:
        text_of(path)
    assert one_line(caught.value) == f"{path}: has no .txt or .md among the {files} files in the archive"


def test_an_encrypted_zip_is_an_error(tmp_path: Path) -> None:
    content = bytearray(zip_of(**{"a.txt": TEXT}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    (tmp_path / "secret.zip").write_bytes(content)
    with pytest.raises(SourceError, match=r"secret\.zip: the archive is encrypted"):
        text_of(tmp_path / "secret.zip")


@pytest.mark.parametrize("pack", [*PACK.values(), bytes])
def test_a_tar_archive_is_an_error_however_it_is_packed(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    (tmp_path / "texts").write_bytes(pack(buffer.getvalue()))
    with pytest.raises(SourceError, match=r"/texts: is a tar archive; unpack it and name the texts in it$"):
        text_of(tmp_path / "texts")


# Damage


@pytest.mark.parametrize("archive", PACK)
@pytest.mark.parametrize("damage", ["cut off", "garbled"])
def test_a_damaged_archive_is_an_error_of_one_line(tmp_path: Path, archive: str, damage: str) -> None:
    content = PACK[archive](TEXT)
    middle = len(content) // 2
    content = content[:middle] if damage == "cut off" else content[:middle] + b"\0" * 20 + content[middle + 20 :]
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        text_of(tmp_path / "text")
    assert one_line(caught.value).startswith(f"{tmp_path}/text: the {archive} is damaged: ")


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
        pieces = wheel_pieces(path, MOST, "x") if archive == "wheel" else text_pieces(path, archive, "x")
        try:
            outcomes.add(len(b"".join(pieces)))
        except SourceError as error:
            one_line(error)
            outcomes.add(-1)
    assert len(outcomes) > 1


def test_a_member_without_a_name_is_no_text(tmp_path: Path) -> None:
    # Names end at a NUL.
    (tmp_path / "t.zip").write_bytes(zip_of(**{"QQ": b"lost", "a.txt": TEXT}).replace(b"QQ", b"\0Q"))
    assert text_of(tmp_path / "t.zip") == TEXT


def test_a_plain_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"x: the file is damaged: .*No such file"):
        list(text_pieces(tmp_path / "gone", None, "x"))


# Wheels


def test_the_texts_of_a_wheel_follow_each_other_and_its_plays_become_text(tmp_path: Path) -> None:
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
    expected = b"A text.\n\n" + SPOKEN + b"\n" + SPOKEN.replace(b"Well", b"W\xe9ll")
    assert of_wheel(zipped(tmp_path / "t.whl", **members)) == expected


def test_a_wheel_without_text_is_an_error(tmp_path: Path) -> None:
    path = zipped(tmp_path / "t.whl", **{"a.py": b"", "README.md": PLAY, "silent.md": b"# Nobody speaks\n"})
    with pytest.raises(SourceError, match=r"^the wheel: there is no text in the package"):
        of_wheel(path)


@pytest.mark.parametrize("members", [{"a.txt": bytes(MOST + 1)}, {"a.md": PLAY + b"\n_Exit_\n" * 20_000}])
def test_a_member_that_is_too_large_is_an_error(tmp_path: Path, members: dict[str, bytes]) -> None:
    path = zipped(tmp_path / "t.whl", **members)
    with pytest.raises(SourceError, match=r"^the wheel: unpacks to more than data.max_megabytes = 0.1 MB$"):
        of_wheel(path)


def test_a_member_just_small_enough_is_accepted(tmp_path: Path) -> None:
    assert len(of_wheel(zipped(tmp_path / "t.whl", **{"a.txt": b"x" * MOST}))) == MOST


def test_what_is_no_wheel_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.whl").write_bytes(TEXT)
    with pytest.raises(SourceError, match=r"^the wheel: the wheel is damaged: File is not a zip file$"):
        of_wheel(tmp_path / "t.whl")
