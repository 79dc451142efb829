"""Which encoding a text file is in, where `data.encoding` is auto: what the file says or shows, never silently a guess.

Knows how to find an encoding; how a file is read with it is the business of `charrnn.data.decoding`.
"""

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from charrnn.config.schema import DataParams
from charrnn.data.alphabets import evidence
from charrnn.data.guessing import ADVICE, PIECE, SAMPLE, decoded_pieces, digest_of, guess, sample_of
from charrnn.data.text_file import TextFile
from charrnn.errors import UndecodedError
from charrnn.files import explain

AUTO = "auto"
"""Value of data.encoding for a file whose encoding is to be found."""

_MARKS = (  # those of UTF-32 first: one begins as one of UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# Encodings of seven bits, which look like UTF-8: what switches between alphabets in them, and those that it may be.
_SWITCHES = re.compile(rb"\x1b\$[()*+]?[@-Z]|\x1b\([JI]|\x1b\.[AF]")
_SWITCHING = ("iso2022_jp", "iso2022_jp_2", "iso2022_jp_ext", "iso2022_jp_3", "iso2022_jp_2004", "iso2022_kr")
_RARE_IN_HZ = b"\xd8"  # with it the less usual ones of GB 2312 begin
_HZ = re.compile(rb"~\{(?:[\x21-\x77][\x21-\x7e])+~\}")
_UTF8_CHARACTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_LONGEST_SWITCH = 4  # bytes


@dataclass(frozen=True)
class FoundEncoding:
    """The encoding of a file.

    Attributes:
        name: what Python calls it.
        how: given by `data.encoding`; mark: a byte-order mark says it; utf-8: the file decodes as that, or
            most of it, so that reading it will say where it is not; guessed.
    """

    name: str
    how: Literal["given", "mark", "utf-8", "guessed"]


def find_encoding(file: TextFile, params: DataParams) -> FoundEncoding:
    """Return the encoding of `file`; where `data.encoding` is auto, the file is looked at, once in this process.

    Raises:
        UndecodedError: the file is no text, or it cannot be told what it is in.
        FileError: it cannot be read.
    """
    if params.encoding.strip().lower() != AUTO:
        return FoundEncoding(params.encoding, "given")
    try:
        return _find(file)
    except OSError as error:
        raise explain(error, "read", file.path) from error


def encodings_taken(files: Sequence[TextFile], params: DataParams) -> str:
    """Return the encodings of `files` in words: `utf-8`, or `utf-8 (3 files), cp1252 (1 file, guessed)`.

    Raises as `find_encoding`.
    """
    taken = Counter((found.name, found.how == "guessed") for found in (find_encoding(file, params) for file in files))
    if len(taken) == 1:
        ((name, guessed),) = taken
        return f"{name} (guessed)" if guessed else name
    return ", ".join(
        f"{name} ({count} {'file' if count == 1 else 'files'}{', guessed' if guessed else ''})"
        for (name, guessed), count in taken.most_common()
    )


def guess_warnings(files: Sequence[TextFile], params: DataParams, shown: int = 3) -> tuple[str, ...]:
    """Return a line that names the files of which the encoding was guessed, the first ones; none where none was.

    Raises as `find_encoding`.
    """
    guessed = [(file, found) for file in files if (found := find_encoding(file, params)).how == "guessed"]
    if not guessed:
        return ()
    named = ", ".join(f"{file.name} ({found.name})" for file, found in guessed[:shown])
    more = f" and {len(guessed) - shown} more" if len(guessed) > shown else ""
    return (f"{named}{more}: the encoding was guessed; if the text looks wrong, set data.encoding",)


def marked_encoding(start: bytes) -> str | None:
    """Return the encoding whose byte-order mark `start`, the start of a file, begins with; None without one."""
    return next((name for mark, name in _MARKS if start.startswith(mark)), None)


@lru_cache(maxsize=2**16)
def _find(file: TextFile) -> FoundEncoding:
    # The digest in `file` makes the cache safe: it is that of the bytes.
    with open(file.path, "rb") as opened:
        start = opened.read(4)
    if mark := marked_encoding(start):
        return FoundEncoding(mark, "mark")
    looks = _looks(file)
    if "nul" in looks:
        return FoundEncoding(_wide(file), "guessed")
    if looks and (name := _switching(file, looks)):
        return FoundEncoding(name, "guessed")
    if _is_utf8(file):
        return FoundEncoding("utf-8", "utf-8")
    return FoundEncoding(guess(file), "guessed")


def _looks(file: TextFile) -> set[str]:
    """Return which of these `file` has: nul (bytes), iso2022 and hz (what switches alphabets in these encodings)."""
    looks: set[str] = set()
    before = b""
    seven_bits = True
    with open(file.path, "rb") as opened:
        while piece := opened.read(PIECE):
            if b"\0" in piece:
                return {"nul"}
            seven_bits = seven_bits and piece.isascii()
            if not seven_bits:
                continue
            seen = before + piece
            if b"\x1b" in seen and _SWITCHES.search(seen):
                looks.add("iso2022")
            if b"~{" in seen and _HZ.search(seen):
                looks.add("hz")
            before = piece[-_LONGEST_SWITCH:]
    return looks if seven_bits else set()


def _switching(file: TextFile, looks: set[str]) -> str | None:
    """Return the encoding of seven bits that `file` is in; None where it is UTF-8 and only looks like one.

    Raises UndecodedError where it may be one, but which cannot be told.
    """
    if "iso2022" in looks:
        if name := next((name for name in _SWITCHING if digest_of(file, name)), None):
            return name
        raise UndecodedError(
            f"{file.name}: has the escape sequences of iso-2022, and is none that Python can read whole, such as "
            f"iso2022_jp and iso2022_kr; {ADVICE}"
        )
    if not digest_of(file, "hz"):  # what else has ~{ and ~} has other characters, too
        return None
    text = next(decoded_pieces(file, "hz"))
    characters = [character.encode("gb2312") for character in text if not character.isascii()]
    # Two letters of code between ~{ and ~} may be a character of hz, but mostly they are none of those in use.
    if 2 * sum(code < _RARE_IN_HZ for code in characters) <= len(characters):
        return None
    if evidence(text).known:
        return "hz"
    raise UndecodedError(f"{file.name}: what it is cannot be told; it may be hz, utf-8: {ADVICE}")


def _is_utf8(file: TextFile) -> bool:
    """Return whether `file` is UTF-8, or most of it: then reading it will say where it is not."""
    try:
        for _ in decoded_pieces(file, "utf-8"):
            pass
    except UnicodeError:
        _, sample = sample_of(file)
        beyond_ascii = len(sample) - len(sample.decode("ascii", "ignore"))
        return 10 * sum(map(len, _UTF8_CHARACTER.findall(sample))) > 9 * beyond_ascii
    return True


def _wide(file: TextFile) -> str:
    """Return the UTF-16 or UTF-32 without a mark that `file`, which has NUL bytes, is in.

    In the right byte order the byte of a character that is its page of Unicode varies less than the other one.
    """
    with open(file.path, "rb") as opened:
        sample = opened.read(SAMPLE)
    even, odd = len(set(sample[0::2])), len(set(sample[1::2]))
    possible = {"utf-16-le": 5 * odd <= 4 * even, "utf-16-be": 5 * even <= 4 * odd}
    for name in _WIDE:
        if possible.get(name, True) and digest_of(file, name):
            return name
    raise UndecodedError(
        f"{file.name}: has NUL bytes, so it is no text, or in an encoding that cannot be recognised: set data.encoding "
        "to what it is, such as utf-16-le"
    )
