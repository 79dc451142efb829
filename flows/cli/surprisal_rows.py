"""How a scored text is shown: in a few lines, or as a table of its characters or lines. Writes to no file."""

from collections.abc import Iterator
from typing import Any, Literal

from charrnn.evaluation.surprisal import Surprisal
from charrnn.generation.formats import as_json, as_line
from charrnn.wording import counted

Format = Literal["tsv", "jsonl"]


def summary(scored: Surprisal) -> Iterator[str]:
    """Yield the lines that describe the whole text."""
    yield f"{scored.bits_per_char:.4f} bits per character"
    yield f"{scored.perplexity:.3f} perplexity"
    yield counted(scored.characters, "character")
    if unknown := int(scored.unknown.sum()):
        are = "is" if unknown == 1 else "are"
        yield f"{counted(unknown, 'character')} that the model has never seen {are} left out"


def by_character(scored: Surprisal, form: Format) -> Iterator[str]:
    """Yield a row for each character, in the order of the text: its place from 0, the character and its bits."""
    names = ("place", "character", "bits")
    rows = zip(range(len(scored.text)), scored.text, scored.bits.tolist(), strict=True)
    return _table(names, rows, form)


def by_line(scored: Surprisal, form: Format) -> Iterator[str]:
    """Yield a row for each line, the most unusual first (see `Line.unusual`)."""
    names = ("line", "bits_per_char", "bits", "characters", "unknown", "text")
    # Sorting keeps the order of the text where lines are equal.
    lines = sorted(scored.lines(), key=lambda line: -line.unusual(scored.bits_per_char, scored.guess))
    rows = ((line.number, line.bits_per_char, line.total, len(line.bits), line.unknown, line.text) for line in lines)
    return _table(names, rows, form)


def _table(names: tuple[str, ...], rows: Any, form: Format) -> Iterator[str]:
    if form == "tsv":
        yield "\t".join(names)
    for row in rows:
        values = [round(value, 4) if isinstance(value, float) else value for value in row]
        if form == "jsonl":
            values = [None if value != value else value for value in values]
            yield as_json(dict(zip(names, values, strict=True)))
        else:
            yield "\t".join("" if value != value else _field(value) for value in values)


def _field(value: int | float | str) -> str:
    """Return one field of a tsv: text without what ends a field or a line, or what a terminal obeys."""
    if not isinstance(value, str):
        return str(value)
    escaped = "\\n" if value == "\n" else as_line(value)
    return escaped.replace("\t", "\\t")
