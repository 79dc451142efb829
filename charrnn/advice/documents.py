"""What a document of a text is: a rule for each way in which texts are divided, and the reason in words."""

import math
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
_MOST_NAMED = 8
_DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
_CONVERT = "save it with commas, as .csv"
_TITLES = ("title", "name", "headline", "heading", "subject")


@dataclass(frozen=True)
class Documents:
    """How a text is divided.

    Attributes:
        value: of data.documents.
        reason: for it.
        repeated: share of documents that have occurred before (0 to 1), of those that were looked at.
        ordered: share of neighbours in the order of the alphabet (0 to 1).
        template: of data.template; None for none.
        template_reason: for it.
        prime: the beginning of the documents of one class, where the template begins with one.
    """

    value: str
    reason: str
    repeated: float = 0.0
    ordered: float = 0.5
    template: str | None = None
    template_reason: str = ""
    prime: str = ""

    @property
    def is_stream(self) -> bool:
        """Whether the text is not divided."""
        return self.value == NO_DOCUMENTS


def choose_documents(survey: Survey, name: str) -> Documents:
    """Return how the text that messages call `name` is divided.

    Raises:
        CorpusError: it is records without a column to write.
    """
    if survey.table is not None:
        return _records(survey.table, name)
    assert survey.lines is not None  # a text without records has lines
    lines, sizes = survey.lines, survey.file_sizes
    half = statistics.median(sizes)
    if len(sizes) >= MANY_FILES and half <= _SMALL_FILE:
        reason = f"{len(sizes):,} files, half of them at most {half:,.0f} bytes long: each file is a document."
        return Documents("files", reason, repeated=survey.repeated_files)
    if (entries := lines.entries) is not None and _are_documents(entries):
        reason = f"A line {quoted(entries.line)} separates entries, {_half(entries.parts)}: each entry is a document."
        return _divided(f"\n{entries.line}\n", reason, entries.parts)
    if why := _list(lines, survey.characters.has_capitals):
        reason = f"The lines look like {why}, {_half(lines.parts)}: each line is a document."
        return _divided("lines", reason, lines.parts)
    blocks = lines.blocks
    if blocks is not None and _are_documents(blocks) and blocks.same_start >= 0.8:
        reason = (
            f"Blank lines separate entries, {_half(blocks.parts)}, and {blocks.same_start:.0%} of them begin with the "
            "same word: each entry is a document."
        )
        return _divided("\n\n", reason, blocks.parts)
    return Documents(NO_DOCUMENTS, _why_stream(survey, lines) if len(sizes) == 1 else _why_joined(survey))


def _divided(value: str, reason: str, parts: Parts) -> Documents:
    return Documents(value, reason, repeated=parts.repeated, ordered=parts.ordered)


def _half(parts: Parts) -> str:
    return f"half of them at most {parts.median:,} characters long"


def _are_documents(entries: Entries) -> bool:
    """Whether there are enough entries, short enough to be no chapters."""
    return entries.parts.count >= _FEWEST_ENTRIES and entries.parts.ninetieth <= _LONGEST_ENTRY


def _list(lines: Lines, has_capitals: bool) -> str:
    """Return why `lines` are a list, '' if they are not: if each seems complete in itself."""
    if lines.parts.count < _FEWEST_LINES:
        return ""
    if lines.stamped >= 0.8:
        share = math.floor(100 * lines.stamped)  # 100% are all
        return f"a log, since {share}% begin with numbers in the same way, as with a date or a time"
    alone = lines.blocks is not None and lines.blocks.parts.count >= 0.9 * lines.parts.count
    if lines.indented > 0.05 or (lines.blank > 0.05 and not alone):
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
    if lines.parts.count == 1:
        return "One text to be read from beginning to end: it is a single line."
    if lines.indented > 0.15:
        seen = f"{lines.indented:.0%} of the lines are indented, as in code"
    elif lines.small > 0.3 and survey.characters.has_capitals:
        seen = f"{lines.small:.0%} of the lines begin with a small letter, as in prose whose lines are wrapped"
    elif lines.parts.ninetieth > 300:
        seen = f"one line in ten has {lines.parts.ninetieth:,} characters or more, as where a line is a paragraph"
    elif lines.blank > 0.05:
        seen = f"{lines.blank:.0%} of the lines are blank, as between stanzas, speeches or paragraphs"
    elif _wrapped(lines) and lines.punctuated < 0.3:
        seen = "most lines are about as long as the longest ones, as in prose whose lines are wrapped"
    else:
        seen = f"{lines.punctuated:.0%} of the lines end in punctuation, as in verse"
    part, value = ("paragraph", '"\\n\\n"') if lines.blank > 0.05 else ("line", "lines")
    return (
        f"One text to be read from beginning to end: {seen}. If each {part} is complete in itself, set "
        f"{_instead(value)}."
    )


def _why_joined(survey: Survey) -> str:
    files = len(survey.file_sizes)
    if files < MANY_FILES:
        seen = f"{files} files, too few to learn how a file begins and ends: they are joined into one text"
    else:
        half = statistics.median(survey.file_sizes)
        seen = f"{files:,} files, half of them {half:,.0f} bytes long or longer, are joined into one text"
    return (
        f"{seen}, with a blank line between them. If samples should be whole files, such as letters, set "
        f"{_instead('files')}."
    )


def _instead(value: str) -> str:
    """Return how to change the overlay of a stream to one of documents: splits.by there is for the stream."""
    return f"documents: {value} here and by: documents under splits"


def _records(table: Table, name: str) -> Documents:
    """Return records with a template of a class, a title and the longest text, as far as there are such columns."""
    filled = [column for column in table.columns if column.filled]
    if len(table.columns) == 1:
        usable = filled
    else:
        usable = [column for column in filled if column.regular and not set(column.name) & _SYNTAX and column.name]
    if not usable:
        raise CorpusError(
            f"{name}: none of the {len(table.columns)} columns is in every record and can be named in a template"
        )
    texts = [column for column in usable if column.numeric < 0.5] or usable
    body = max(texts, key=lambda column: column.mean * column.filled)
    others = [column for column in texts if column is not body and column.filled > 0.9]
    classes = [c for c in others if _is_class(c, table.rows)]
    titles = [c for c in others if c.name.lower() in _TITLES and c.mean < body.mean and c not in classes]
    parts, reasons = [], []
    if classes:
        parts.append((classes[0], ": "))
        values = f"{classes[0].distinct} different values"
        reasons.append(f"{quoted(classes[0].name)} seems to be their kind, since it has only {values}")
    if titles and body.mean > _LONG_VALUE:
        parts.append((titles[0], "\n"))
        reasons.append(f"{quoted(titles[0].name)} seems to be their title")
    parts.append((body, ""))
    reasons.insert(0, f"{quoted(body.name)} has the longest texts, {body.mean:,.0f} characters on average")
    return Documents(
        value="records",
        reason=_why_records(table),
        repeated=max(0.0, 1 - body.distinct / (table.rows * body.filled)) if len(parts) == 1 else 0.0,
        template=None if len(table.columns) == 1 else "".join(f"{{{column.name}}}{after}" for column, after in parts),
        template_reason="; ".join(reasons) + ".",
        prime=f"{classes[0].commonest}: " if classes else "",
    )


def _why_records(table: Table) -> str:
    more = ", ..." if len(table.columns) > _MOST_NAMED else ""
    names = ", ".join(quoted(column.name) for column in table.columns[:_MOST_NAMED]) + more
    several = len(table.columns) > 1
    why = f"{table.format.name} with the column{'s' if several else ''} {names}. Each row is a document."
    if table.delimiter:
        usual = " or ".join(_DELIMITERS[delimiter] for delimiter in table.format.delimiters)
        remedy = _CONVERT if table.delimiter == "|" else "let its name end in .csv"
        why += (
            f" {_DELIMITERS[table.delimiter].capitalize()} seem to separate its cells, but {table.format.name} files "
            f"are read with {usual}: each row is one text with all its cells. To use columns in a template, {remedy}."
        )
    if not table.takes_header:
        return why
    header = f"the first row is read as the {'names of the columns' if several else 'name of the column'}"
    if table.has_header:
        return f"{why} {header.capitalize()}."
    remedy = "put a row of names before it" if several else "put a row with a name before it, or set documents: lines"
    return f"{why} But {header}, and it looks like data. If so, {remedy}, or this row is not trained on."


def _is_class(column: Column, rows: int) -> bool:
    few = 2 <= column.distinct <= min(_MOST_CLASSES, max(rows // 5, 2))
    return few and column.longest <= _LONG_VALUE // 2
