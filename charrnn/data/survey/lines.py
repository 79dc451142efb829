"""What the lines of a text look like, and whether lines separate entries. Knows no files and decides nothing."""

import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from charrnn.data.survey.parts import Parts, parts_of

_LONGEST_RULE = 80
# Such as %, ---, * * *; neither brackets nor quotation marks, which come in pairs.
_RULE = re.compile(r"(?=\S)[%*=#~_+.•·§@$^|&\u2013\u2014 -]+")
_MARKER = re.compile(r"<\|?[\w ]{1,30}\|?>")  # such as <|endoftext|>
# Also the ideographic and fullwidth ones, and those of Devanagari and Arabic.
_SENTENCE_ENDS = tuple(".!?\u2026\u3002\uff01\uff1f\u0964\u061f")
_CLOSING = "\"')]\u2019\u201d\u00bb\uff09\u300d\u300f"
_INNER_END = re.compile(rf"[.!?\u2026][{re.escape(_CLOSING)}]*\s|[\u3002\uff01\uff1f].")
_NUMBER = re.compile(r"^\s*\d+[.)]\s")  # of an entry of a list; its full stop ends no sentence
_SHAPE = 12
"""How much of the shape of its beginning a line is known by: a date and a time of day, or an address, fit in."""
_STAMP = 3
"""Numbers from which on a beginning is a date, a time of day or an address."""
_CELL_ENDS = re.compile(r"[,;\t|]")
"""What ends the first cell of a table: a row of numbers is no date."""
# As many lines as tell what they are like.
_ENOUGH = 100_000


@dataclass(frozen=True)
class Entries:
    """Parts between lines that are all alike.

    Attributes:
        line: the line that separates them; '' for a blank one.
        parts: the entries.
        lines: lines of the middle entry (count).
        same_start: share of the entries whose first line begins with the same word (0 to 1).
    """

    line: str
    parts: Parts
    lines: int
    same_start: float


@dataclass(frozen=True)
class Lines:
    """What the lines of a text look like; shares (0 to 1) are of those that are not blank.

    Attributes:
        parts: the lines that are not blank.
        blank: share of all lines.
        words: in nine of ten lines at most (count).
        indented: begin with a blank or a tab.
        small: begin with a small letter, of those that begin with a letter that has case.
        punctuated: end in punctuation.
        sentences: end as a sentence does.
        several: hold the end of a sentence and go on.
        stamped: begin with a date, a time of day or an address, all in the same way, as the entries of a log.
        blocks: what blank lines separate; None where there are none.
        entries: what the commonest line of punctuation or the like separates; None where there is none.
    """

    parts: Parts
    blank: float
    words: int
    indented: float
    small: float
    punctuated: float
    sentences: float
    several: float
    stamped: float
    blocks: Entries | None
    entries: Entries | None


def lines_of(texts: Sequence[str]) -> Lines | None:
    """Return what the lines of `texts` look like, which do not follow each other; None if all are blank."""
    written = [line for text in texts for line in text.removesuffix("\n").split("\n")]
    lines = [line.rstrip() for line in written]
    parts = parts_of(lines)
    if parts is None:
        return None
    step = max(parts.count // _ENOUGH, 1)
    some = [line for line in lines if line][::step]
    cased = [line for line in some if line[0].islower() or line[0].isupper()]
    return Lines(
        parts=parts,
        blank=1 - parts.count / len(lines),
        words=sorted(len(line.split()) for line in some)[int(0.9 * (len(some) - 1))],
        indented=_share(line[0].isspace() for line in some),
        small=_share(line[0].islower() for line in cased),
        punctuated=_share(unicodedata.category(line[-1]).startswith("P") for line in some),
        sentences=_share((line.rstrip(_CLOSING) or line).endswith(_SENTENCE_ENDS) for line in some),
        several=_share(_INNER_END.search(_NUMBER.sub("", line)) is not None for line in some),
        stamped=_stamped(some),
        blocks=_entries(texts, ""),
        entries=_entries(texts, rule) if (rule := _commonest_rule(written)) else None,
    )


def _share(answers: Iterable[bool]) -> float:
    found = list(answers)
    return sum(found) / len(found) if found else 0.0


def _stamped(lines: Sequence[str]) -> float:
    """Return the share of `lines` that begin in the commonest shape that has numbers enough."""
    shapes = Counter(shape for line in lines if (shape := _shape(line)).count("0") >= _STAMP)
    return max(shapes.values(), default=0) / len(lines)


def _shape(line: str) -> str:
    """Return the beginning of `line` with 0 for each number, a for each word and one blank for several.

    It ends where the first cell of a table would, and is empty where no word is near the beginning.
    """
    words = re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", line[: 8 * _SHAPE]))
    # The days of a month have one digit, after two blanks, or two.
    return re.sub(" +", " ", _CELL_ENDS.split(words, 1)[0])[:_SHAPE] if "a" in words else ""


def _commonest_rule(lines: Sequence[str]) -> str:
    """Return the line of punctuation, or the marker such as <|endoftext|>, that occurs most often; '' if none twice."""
    rules = Counter(line for line in lines if 0 < len(line) <= _LONGEST_RULE and _is_rule(line))
    line, count = max(rules.items(), key=lambda item: item[1], default=("", 0))
    return line if count > 1 else ""


def _is_rule(line: str) -> bool:
    return _RULE.fullmatch(line) is not None or _MARKER.fullmatch(line) is not None


def _entries(texts: Sequence[str], line: str) -> Entries | None:
    """Return the entries that `line` separates; None if it does not occur between two."""
    separator = re.compile(rf"^{re.escape(line)}\n" if line else r"\n\n+", re.MULTILINE)
    found = [entry.strip("\n") for text in texts for entry in separator.split(text)]
    found = [entry for entry in found if entry.strip()]
    parts = parts_of(found)
    if parts is None or parts.count < 2:
        return None
    starts = Counter(re.split(r"[\s:]", entry.lstrip(), maxsplit=1)[0] for entry in found)
    return Entries(
        line=line,
        parts=parts,
        lines=int(statistics.median_low([entry.count("\n") + 1 for entry in found])),
        same_start=starts.most_common(1)[0][1] / parts.count,
    )
