"""Guesses the encoding of a text that does not say it: by frequent words, and by characters that fit.

Knows nothing of marks and of `data.encoding`.
"""

import codecs
import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from charrnn.data.alphabets import evidence
from charrnn.data.text_file import TextFile
from charrnn.errors import UndecodedError

CONVERT = "convert it (iconv -f ENCODING -t utf-8)"
ADVICE = f"set data.encoding to what it is, or {CONVERT}"
"""What to do about a file whose encoding is not found."""

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
# Control characters that texts have: the last ends files of DOS.
_LAYOUT = "\t\n\v\f\r\x1a"
PIECE = 2**20
"""How much of a file is read at once (bytes)."""
SAMPLE = 2**16
"""How much of a file is looked at, more or less (bytes)."""
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


def guess(file: TextFile) -> str:
    """Return the encoding of `file` whose text has clearly the most for it. Raises UndecodedError where none has."""
    start, lines = sample_of(file)
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
        if digest := digest_of(file, candidate.name):
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


def sample_of(file: TextFile) -> tuple[bytes, bytes]:
    """Return the first lines of `file` without bytes beyond ASCII, and lines with them, which show its encoding.

    Of those it is the first ones, and behind SAMPLE bytes those with bytes that are new there: in all at most three
    times SAMPLE bytes.
    """
    start, lines = b"", b""
    with open(file.path, "rb") as opened:
        while len(lines) < SAMPLE and (line := opened.readline(SAMPLE)):
            if not line.isascii():
                lines += line  # a line that is cut is the last: it fills the sample
            elif len(start) < _START:
                start += line.rstrip() + b"\n"  # the last line of a file may have no end
        if not lines.endswith(b"\n"):
            return start, lines
        seen = bytes({*range(128), *lines})
        while len(lines) < 2 * SAMPLE and (piece := opened.readlines(PIECE)):
            if not b"".join(piece).translate(None, seen):
                continue
            for line in piece:
                if new := line.translate(None, seen):
                    lines += line[:SAMPLE]
                    seen += bytes(set(new))
                    if len(line) > SAMPLE:
                        return start, lines
    return start, lines


def decoded_pieces(file: TextFile, name: str) -> Iterator[str]:
    """Yield the text of `file` decoded with `name`. Raises UnicodeError."""
    decoder = codecs.getincrementaldecoder(name)()
    with open(file.path, "rb") as opened:
        while data := opened.read(PIECE):
            yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


def digest_of(file: TextFile, name: str) -> str:
    """Return a digest of the whole text of `file` in the encoding `name`; '' where it is none.

    It is none where it does not decode, or has control characters or characters that Unicode has not assigned.
    """
    digest = hashlib.sha256()
    seen: set[str] = set()
    try:
        for piece in decoded_pieces(file, name):
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
