"""What a document of a text is: a rule for each way in which texts are divided, and the reason in words."""

import statistics
from dataclasses import dataclass

from charrnn.config.overlay import quoted
from charrnn.config.schema import NO_DOCUMENTS
from charrnn.data.survey import Survey
from charrnn.data.survey.lines import Entries, Lines
from charrnn.data.survey.parts import Parts
from charrnn.data.survey.records import Column, Table
from charrnn.errors import CorpusError

MANY_FILES = 20
"""From so many small files on, each is a document; of so many large ones, whole files can be held out."""
_SMALL_FILE = 50_000  # bytes
_FEWEST_LINES = 20
_FEWEST_ENTRIES = 10
_LONGEST_ENTRY = 5000
_LONG_VALUE = 80
_MOST_CLASSES = 50
# What the syntax of templates takes.
_SYNTAX = set("{}[]:!")
_TITLES = ("title", "name", "headline", "heading", "subject")


@dataclass(frozen=True)
class Documents:
    """How a text is divided; lengths are in characters, and estimates where only a part was read.

    Attributes:
        value: of data.documents.
        reason: for it.
        characters: of the whole text.
        count: documents in the whole text; 1 for a stream.
        longest: of a document.
        repeated: share of documents that have occurred before (0 to 1).
        ordered: share of neighbours in the order of the alphabet (0 to 1).
        template: of data.template; None for none.
        template_reason: for it.
        prime: the beginning of the documents of one class, where the template begins with one.
    """

    value: str
    reason: str
    characters: int
    count: int
    longest: int = 0
    repeated: float = 0.0
    ordered: float = 0.5
    template: str | None = None
    template_reason: str = ""
    prime: str = ""

    @property
    def is_stream(self) -> bool:
        """Whether the text is not divided."""
        return self.value == NO_DOCUMENTS


def choose_documents(survey: Survey) -> Documents:
    """Return how the text is divided.

    Raises:
        CorpusError: it is records without a column to write.
    """
    if survey.table is not None:
        return _records(survey, survey.table)
    assert survey.lines is not None  # a text without records has lines
    lines, sizes = survey.lines, survey.file_sizes
    if len(sizes) >= MANY_FILES and statistics.median(sizes) <= _SMALL_FILE:
        reason = f"{len(sizes):,} files, half of them at most {statistics.median(sizes):,.0f} bytes: each a document."
        characters = int(survey.characters.count * survey.scale)
        return Documents("files", reason, characters, len(sizes), longest=int(max(sizes)))
    if (entries := lines.entries) is not None and _are_documents(entries):
        reason = f"A line {quoted(entries.line)} separates {_about(survey, entries.parts)}: each is a document."
        return _divided(survey, f"\n{entries.line}\n", reason, entries.parts)
    if why := _list(lines, survey.characters.capitals > 0):
        reason = f"{_about(survey, lines.parts, 'lines')}: {why}. Each line is a document."
        return _divided(survey, "lines", reason[0].upper() + reason[1:], lines.parts)
    blocks = lines.blocks
    if blocks is not None and _are_documents(blocks) and blocks.same_start >= 0.8:
        reason = (
            f"Blank lines separate {_about(survey, blocks.parts)}, and {blocks.same_start:.0%} of them begin with the "
            "same word: each is a document."
        )
        return _divided(survey, "\n\n", reason, blocks.parts)
    return Documents(NO_DOCUMENTS, _why_stream(survey, lines), int(survey.characters.count * survey.scale), 1)


def _divided(survey: Survey, value: str, reason: str, parts: Parts) -> Documents:
    return Documents(
        value,
        reason,
        # With a stop symbol each.
        characters=int((parts.characters + parts.count) * survey.scale),
        count=int(parts.count * survey.scale),
        longest=parts.longest,
        repeated=parts.repeated,
        ordered=parts.ordered,
    )


def _about(survey: Survey, parts: Parts, name: str = "entries") -> str:
    about = "" if survey.is_whole else "about "
    return f"{about}{int(parts.count * survey.scale):,} {name}, half of them at most {parts.median:,} characters long"


def _are_documents(entries: Entries) -> bool:
    """Whether there are enough entries, short enough to be no chapters."""
    return entries.parts.count >= _FEWEST_ENTRIES and entries.parts.ninetieth <= _LONGEST_ENTRY


def _list(lines: Lines, has_capitals: bool) -> str:
    """Return why `lines` are a list, '' if they are not: if each seems complete in itself."""
    alone = lines.blocks is not None and lines.blocks.parts.count >= 0.9 * lines.parts.count
    if lines.parts.count < _FEWEST_LINES or lines.indented > 0.05 or (lines.blank > 0.05 and not alone):
        return ""
    if lines.words <= 6 and lines.parts.ninetieth <= 40 and lines.punctuated <= 0.2:
        return "a list of names, words or short phrases"
    goes_on = has_capitals and lines.small > 0.2
    if not goes_on and not _wrapped(lines) and lines.punctuated <= 0.1:
        return "a list of phrases, since few end in punctuation"
    if not goes_on and lines.sentences >= 0.8 and lines.several <= 0.2 and lines.parts.ninetieth <= 300:
        return f"a list of sentences, since {lines.sentences:.0%} end as one and few hold two"
    return ""


def _wrapped(lines: Lines) -> bool:
    """Whether most lines are as long as the longest can be."""
    return lines.parts.ninetieth <= 1.25 * lines.parts.median


def _why_stream(survey: Survey, lines: Lines) -> str:
    if lines.indented > 0.15:
        seen = f"{lines.indented:.0%} of the lines are indented, as in code"
    elif lines.small > 0.3 and survey.characters.capitals > 0:
        seen = f"{lines.small:.0%} of the lines begin with a small letter, as in prose whose lines are wrapped"
    elif lines.parts.ninetieth > 300:
        seen = f"one line in ten has over {lines.parts.ninetieth:,} characters, as where each is a paragraph"
    elif lines.blank > 0.05:
        seen = f"{lines.blank:.0%} of the lines are blank, as between stanzas, speeches or paragraphs"
    elif _wrapped(lines) and lines.punctuated < 0.3:
        seen = f"half of the lines have at least {lines.parts.median:,} characters, and few have more: they are wrapped"
    else:
        seen = f"{lines.punctuated:.0%} of the lines end in punctuation, as in verse"
    part, value = ("paragraph", '"\\n\\n"') if lines.blank > 0.05 else ("line", "lines")
    return f"One text to be read from beginning to end: {seen}. If each {part} is complete in itself, set {value}."


def _records(survey: Survey, table: Table) -> Documents:
    """Return records with a template of a class, a title and the longest text, as far as there are such columns."""
    filled = [column for column in table.columns if column.filled]
    if len(table.columns) == 1:
        usable = filled
    else:
        usable = [column for column in filled if column.regular and not set(column.name) & _SYNTAX and column.name]
    if not usable:
        raise CorpusError(f"none of the {len(table.columns)} columns is in every record and can be named in a template")
    texts = [column for column in usable if column.numeric < 0.5] or usable
    body = max(texts, key=lambda column: column.mean * column.filled)
    others = [column for column in texts if column is not body and column.filled > 0.9]
    classes = [c for c in others if _is_class(c, table.rows)]
    titles = [c for c in others if c.name.lower() in _TITLES and c.mean < body.mean and c not in classes]
    parts, reasons = [], []
    if classes:
        parts.append((classes[0], ": "))
        reasons.append(f"{quoted(classes[0].name)} has {classes[0].distinct} different values: the kind of text")
    if titles and body.mean > _LONG_VALUE:
        parts.append((titles[0], "\n"))
        reasons.append(f"{quoted(titles[0].name)} is its title")
    parts.append((body, ""))
    reasons.append(f"{quoted(body.name)} is the longest text, {body.mean:,.0f} characters on average")
    names = ", ".join(quoted(column.name) for column in table.columns[:8]) + (", ..." if len(table.columns) > 8 else "")
    count = int(table.rows * survey.scale)
    about = "" if survey.is_whole else "about "
    return Documents(
        value="records",
        reason=f"{table.format} with {about}{count:,} rows and the columns {names}. Each row is a document.",
        characters=int(sum(c.mean * c.filled + len(after) for c, after in parts) * table.rows * survey.scale) + count,
        count=count,
        longest=sum(column.longest + len(after) for column, after in parts),
        repeated=max(0.0, 1 - body.distinct / (table.rows * body.filled)) if len(parts) == 1 else 0.0,
        template=None if len(table.columns) == 1 else "".join(f"{{{column.name}}}{after}" for column, after in parts),
        template_reason="; ".join(reasons) + ".",
        prime=f"{classes[0].commonest}: " if classes else "",
    )


def _is_class(column: Column, rows: int) -> bool:
    few = 2 <= column.distinct <= min(_MOST_CLASSES, max(rows // 5, 2))
    return few and column.longest <= _LONG_VALUE // 2
