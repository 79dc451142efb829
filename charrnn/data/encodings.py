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

from charset_normalizer import from_bytes

from charrnn.config.schema import DataParams
from charrnn.data.alphabets import misfits
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError
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
# Encodings of seven bits; what switches between alphabets in them makes them look like UTF-8.
_SWITCHES = re.compile(rb"\x1b\$[@B()]|\x1b\([JI]")
_SWITCHING = ("iso2022_jp", "iso2022_jp_2", "iso2022_jp_ext", "iso2022_kr")
# What a text without a mark is likely to be in. Of those that decode it to the same text the first is named; one that
# is contained in another, such as latin-1 (without its control characters) in cp1252, is not there.
_CANDIDATES = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8-r", "koi8-u"),
    *("iso8859-2", "iso8859-5", "iso8859-7", "iso8859-15", "cp850", "cp852", "cp437", "cp866", "cp874"),
    *("mac-roman", "mac-cyrillic", "cp932", "euc_jp", "gb18030", "big5", "cp949"),
)
_UTF8_CHARACTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# Control characters that texts have: the last ends files of DOS.
_LAYOUT = "\t\n\v\f\r\x1a"
_PIECE = 2**20
_SAMPLE = 2**16
# How much worse than the best a candidate of equal merit may be, in the detector's measures of mess and of coherence
# (0 to 1). Their steps are coarse: on 400 characters of prose the right one lies up to 0.06 behind in coherence.
_MESS, _COHERENCE = 0.04, 0.1
# Of lines that have in all fewer bytes than this nothing is concluded.
_FEW = 32
# More mess than this in the best one is no text that the detector knows.
_MOST_MESS = 0.1


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
        CorpusError: the file is no text, or it cannot be told what it is in.
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
    nul, switches = _looks(file)
    if nul:
        return FoundEncoding(_wide(file), "guessed")
    if switches and (name := next((name for name in _SWITCHING if _digest(file, name)), None)):
        return FoundEncoding(name, "guessed")
    if _is_utf8(file):
        return FoundEncoding("utf-8", "utf-8")
    return FoundEncoding(_guess(file), "guessed")


def _looks(file: TextFile) -> tuple[bool, bool]:
    """Return whether `file` has NUL bytes, and whether it has what switches the alphabet in encodings of seven bits."""
    switches = False
    with open(file.path, "rb") as opened:
        while piece := opened.read(_PIECE):
            if b"\0" in piece:
                return True, switches
            switches = switches or bool(_SWITCHES.search(piece))
    return False, switches


def _is_utf8(file: TextFile) -> bool:
    """Return whether `file` is UTF-8, or most of it: then reading it will say where it is not."""
    try:
        for _ in _decoded(file, "utf-8"):
            pass
    except UnicodeError:
        sample = _sample(file)
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
    raise CorpusError(
        f"{file.name}: has NUL bytes, so it is no text, or in an encoding that cannot be recognised: set data.encoding "
        "to what it is, such as utf-16-le"
    )


def _guess(file: TextFile) -> str:
    """Return the encoding of `file` whose text is better than every other. Raises CorpusError where there is none."""
    sample = _sample(file)
    candidates = [candidate for name in _CANDIDATES if (candidate := _measure(sample, name))]
    rivals = {one: [other for other in candidates if not one.beats(other)] for one in candidates}  # itself, too
    digests: dict[_Candidate, str] = {}  # of the whole text, which is read for few: '' where it is no text
    valid: list[_Candidate] = []
    for one in sorted(candidates, key=lambda candidate: len(rivals[candidate])):
        if any(other.beats(one) for other in valid):
            continue
        for rival in rivals[one]:
            if rival not in digests:
                digests[rival] = _digest(file, rival.name)
        valid = [candidate for candidate in candidates if digests.get(candidate)]
        same = [rival for rival in rivals[one] if digests[rival] == digests[one]]
        if one in valid and len(sample) >= _FEW and all(rival in same or rival not in valid for rival in rivals[one]):
            return same[0].name
    if not valid:
        raise CorpusError(
            f"{file.name}: is not utf-8 text, and its encoding cannot be recognised; set data.encoding to what it is"
        )
    # One name for each text: the first of the encodings that give it.
    likely = {digests[one]: one.name for one in reversed(valid) if not any(other.beats(one) for other in valid)}
    names = ", ".join(reversed(likely.values()))
    raise CorpusError(
        f"{file.name}: is not utf-8 text, and what it is cannot be told; it may be {names}: set data.encoding to what "
        "it is"
    )


@dataclass(frozen=True)
class _Candidate:
    """An encoding that a sample decodes with, and what speaks for it.

    Attributes:
        name: of the encoding.
        mess: how unlike a text the detector finds it (0 to 1).
        coherence: how much the detector finds its letters as frequent as in some language (0 to 1).
        misfits: see `charrnn.data.alphabets`.
    """

    name: str
    mess: float
    coherence: float
    misfits: int

    def beats(self, other: "_Candidate") -> bool:
        """Return whether the text of `self` is clearly the better one: by one measure, and not the worse by another."""
        better = (
            other.misfits >= 2 * self.misfits + 2
            or self.coherence > other.coherence + _COHERENCE
            or self.mess < other.mess - _MESS
        )
        worse = (
            self.misfits > other.misfits
            or self.coherence < other.coherence - _COHERENCE
            or self.mess > other.mess + _MESS
        )
        return better and not worse


def _measure(sample: bytes, name: str) -> _Candidate | None:
    """Return what speaks for the encoding `name` of `sample`; None if it does not decode or the detector rejects it."""
    decoder = codecs.getincrementaldecoder(name)()
    try:
        text = decoder.decode(sample)
    except UnicodeError:
        return None
    whole = sample[: len(sample) - len(decoder.getstate()[0])]  # the last character may be cut
    # One encoding at a time: of several it leaves out some once it has one that fits, in the order of their names.
    best = from_bytes(
        whole, steps=16, chunk_size=1024, cp_isolation=[name], preemptive_behaviour=False, enable_fallback=False
    ).best()
    if best is None or best.chaos > _MOST_MESS:
        return None
    return _Candidate(name, best.chaos, best.coherence, misfits(text))


def _sample(file: TextFile) -> bytes:
    """Return the first lines of `file` with bytes beyond ASCII, in all at most twice _SAMPLE bytes."""
    sample = b""
    with open(file.path, "rb") as opened:
        while len(sample) < _SAMPLE and (line := opened.readline(_SAMPLE)):
            if not line.isascii():
                sample += line  # a line that is cut is the last: it fills the sample
    return sample


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
