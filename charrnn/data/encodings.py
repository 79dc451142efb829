"""Which encoding a text file is in, where `data.encoding` is auto: what the file says or shows, never silently a guess.

Knows how to find an encoding; how a file is read with it is the business of `charrnn.data.decoding`.
"""

import codecs
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from charrnn.config.schema import DataParams
from charrnn.data.alphabets import evidence
from charrnn.data.text_file import TextFile
from charrnn.errors import UndecodedError
from charrnn.files import explain

AUTO = "auto"
"""Value of data.encoding for a file whose encoding is to be found."""

CONVERT = "convert it (iconv -f ENCODING -t utf-8)"
ADVICE = f"set data.encoding to what it is, or {CONVERT}"
"""What to do about a file whose encoding is not found."""

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
# What a text without a mark is likely to be in. Of those that decode it to the same text the first is named; one that
# is contained in another, such as latin-1 (without its control characters) in cp1252, is not there.
_CANDIDATES = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8-r", "koi8-u"),
    *("iso8859-2", "iso8859-15", "iso8859-5", "iso8859-7", "iso8859-13", "cp850", "cp852", "cp437", "cp866", "cp874"),
    *("mac-roman", "mac-cyrillic", "cp932", "euc_jp", "gb18030", "big5", "cp949"),
)
# Those that fewer texts are in, tried lest one of them is taken for another. One is taken by a larger margin.
_RARE = (
    *("cp737", "cp775", "cp855", "cp857", "cp860", "cp861", "cp862", "cp863", "cp864", "cp865", "cp1125", "cp1258"),
    *("iso8859-3", "iso8859-4", "iso8859-6", "iso8859-8", "iso8859-10", "iso8859-14", "iso8859-16", "mac-latin2"),
    *("mac-croatian", "mac-iceland", "mac-romanian", "mac-turkish", "mac-greek", "kz1048", "johab"),
)
_UTF8_CHARACTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# Control characters that texts have: the last ends files of DOS.
_LAYOUT = "\t\n\v\f\r\x1a"
_PIECE = 2**20
_LONGEST_SWITCH = 4  # bytes
_SAMPLE = 2**16
_START = 2**13
# Most encodings are ruled out by so many bytes of the sample, in which they are worth so much less than the best.
_GLANCE, _FAR = 2**12, 60
# Of lines that have in all fewer bytes than this nothing is concluded.
_FEW = 20
# What is no text has more than one odd character of so many beyond ASCII.
_MOST_ODD = 5
# How many frequent words outweigh one character that does not fit, and one letter that the language only borrows.
_ODD, _FOREIGN = 3, 2
# How much more than every other a text must be worth: where its language is known, one odd character; where it is not,
# or the encoding is rare, so much and one for so many characters beyond ASCII.
_MARGIN, _MARGIN_UNSURE, _PER = 3, 6, 4


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
    return FoundEncoding(_guess(file), "guessed")


def _looks(file: TextFile) -> set[str]:
    """Return which of these `file` has: nul (bytes), iso2022 and hz (what switches alphabets in these encodings)."""
    looks: set[str] = set()
    before = b""
    seven_bits = True
    with open(file.path, "rb") as opened:
        while piece := opened.read(_PIECE):
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
        if name := next((name for name in _SWITCHING if _digest(file, name)), None):
            return name
        raise UndecodedError(
            f"{file.name}: has the escape sequences of iso-2022, and is none that Python can read whole, such as "
            f"iso2022_jp and iso2022_kr; {ADVICE}"
        )
    if not _digest(file, "hz"):  # what else has ~{ and ~} has other characters, too
        return None
    text = next(_decoded(file, "hz"))
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
        for _ in _decoded(file, "utf-8"):
            pass
    except UnicodeError:
        _, sample = _sample(file)
        beyond_ascii = len(sample) - len(sample.decode("ascii", "ignore"))
        return 10 * sum(map(len, _UTF8_CHARACTER.findall(sample))) > 9 * beyond_ascii
    return True


def _wide(file: TextFile) -> str:
    """Return the UTF-16 or UTF-32 without a mark that `file`, which has NUL bytes, is in.

    In the right byte order the byte of a character that is its page of Unicode varies less than the other one.
    """
    with open(file.path, "rb") as opened:
        sample = opened.read(_SAMPLE)
    even, odd = len(set(sample[0::2])), len(set(sample[1::2]))
    possible = {"utf-16-le": 5 * odd <= 4 * even, "utf-16-be": 5 * even <= 4 * odd}
    for name in _WIDE:
        if possible.get(name, True) and _digest(file, name):
            return name
    raise UndecodedError(
        f"{file.name}: has NUL bytes, so it is no text, or in an encoding that cannot be recognised: set data.encoding "
        "to what it is, such as utf-16-le"
    )


def _guess(file: TextFile) -> str:
    """Return the encoding of `file` whose text has clearly the most for it. Raises UndecodedError where none has."""
    start, lines = _sample(file)
    likely = _likely(file, lines, start.decode("ascii"))
    if not likely:
        raise UndecodedError(f"{file.name}: is not utf-8 text, and its encoding cannot be recognised; {ADVICE}")
    if len(likely) > 1 or len(start + lines) < _FEW:
        names = ", ".join(likely)
        raise UndecodedError(
            f"{file.name}: is not utf-8 text, and what it is cannot be told; it may be {names}: {ADVICE}"
        )
    return likely[0]


def _likely(file: TextFile, sample: bytes, around: str) -> list[str]:
    """Return the encodings that speak most for themselves in `sample`, a part of `file`: one for each text of it.

    `around` is some of the text of `file` that is ASCII.
    """
    names: Sequence[str] = (*_CANDIDATES, *_RARE)
    candidates: list[_Candidate] = []
    for part in (sample[:_GLANCE], sample):
        candidates = [candidate for name in names if (candidate := _measure(part, name, around))]
        candidates.sort(key=lambda candidate: candidate.worth, reverse=True)  # stable: of equal ones the first named
        names = [candidate.name for candidate in candidates if candidate.worth > candidates[0].worth - _FAR]
    best: _Candidate | None = None
    likely: dict[str, str] = {}  # by the digest of the whole text, which is read for few
    for candidate in candidates:
        if best and candidate.worth <= best.worth - best.margin:
            break
        if digest := _digest(file, candidate.name):
            best = best or candidate
            if best.worth < 0:
                return []
            likely.setdefault(digest, candidate.name)
    return list(likely.values())


@dataclass(frozen=True)
class _Candidate:
    """An encoding that a sample decodes with, and the evidence for the text that this gives.

    Attributes:
        name: of the encoding.
        worth: frequent words less what is odd.
        margin: how much less another text must be worth, for this one to be taken.
    """

    name: str
    worth: int
    margin: int


def _measure(sample: bytes, name: str, around: str) -> _Candidate | None:
    """Return what speaks for the encoding `name` of `sample`; None if it does not decode, or to what is no text."""
    try:
        text = codecs.getincrementaldecoder(name)().decode(sample)  # the last character may be cut
    except UnicodeError:
        return None
    found = evidence(text, around)
    if found.odd * _MOST_ODD > found.beyond:
        return None
    worth = found.familiar - _ODD * (found.odd + (name in _RARE)) - _FOREIGN * found.foreign
    sure = found.known and name not in _RARE
    return _Candidate(name, worth, _MARGIN if sure else _MARGIN_UNSURE + found.beyond // _PER)


def _sample(file: TextFile) -> tuple[bytes, bytes]:
    """Return the first lines of `file` without bytes beyond ASCII, and lines with them, which show its encoding.

    Of those it is the first ones, and behind _SAMPLE bytes those with bytes that are new there: in all at most three
    times _SAMPLE bytes.
    """
    start, lines = b"", b""
    with open(file.path, "rb") as opened:
        while len(lines) < _SAMPLE and (line := opened.readline(_SAMPLE)):
            if not line.isascii():
                lines += line  # a line that is cut is the last: it fills the sample
            elif len(start) < _START:
                start += line.rstrip() + b"\n"  # the last line of a file may have no end
        if not lines.endswith(b"\n"):
            return start, lines
        seen = bytes({*range(128), *lines})
        while len(lines) < 2 * _SAMPLE and (piece := opened.readlines(_PIECE)):
            if not b"".join(piece).translate(None, seen):
                continue
            for line in piece:
                if new := line.translate(None, seen):
                    lines += line[:_SAMPLE]
                    seen += bytes(set(new))
                    if len(line) > _SAMPLE:
                        return start, lines
    return start, lines


def _decoded(file: TextFile, name: str) -> Iterator[str]:
    """Yield the text of `file` decoded with `name`. Raises UnicodeError."""
    decoder = codecs.getincrementaldecoder(name)()
    with open(file.path, "rb") as opened:
        while data := opened.read(_PIECE):
            yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


def _digest(file: TextFile, name: str) -> str:
    """Return a digest of the whole text of `file` in the encoding `name`; '' where it is none.

    It is none where it does not decode, or has control characters or characters that Unicode has not assigned.
    """
    digest = hashlib.sha256()
    seen: set[str] = set()
    try:
        for piece in _decoded(file, name):
            new = set(piece) - seen
            if any(map(_is_no_text, new)):
                return ""
            seen |= new
            digest.update(piece.encode())
    except UnicodeError:
        return ""
    return digest.hexdigest()


def _is_no_text(character: str) -> bool:
    category = unicodedata.category(character)
    return category in ("Cn", "Co", "Cs") or (category == "Cc" and character not in _LAYOUT)
