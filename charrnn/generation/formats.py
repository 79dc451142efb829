"""How texts that were written are shown: as they are, one a line, or as JSON. Writes to no file and no terminal."""

import itertools
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Literal

from charrnn.data.vocabulary import printable
from charrnn.generation.writer import Writer, Written

Format = Literal["text", "lines", "jsonl"]

# Categories of Unicode that end a line or that a terminal obeys: controls, line and paragraph separators, surrogates.
ESCAPED = {"Cc", "Zl", "Zp", "Cs"}


def default_format(writer: Writer) -> Format:
    """Return `lines` where each text is a document without line ends, else `text`."""
    return "lines" if writer.of_lines else "text"


def as_line(text: str) -> str:
    """Return `text` as one line: without a line end at its end, with those in it, and controls but tabs, escaped."""
    return "".join(
        printable(character) if character != "\t" and unicodedata.category(character) in ESCAPED else character
        for character in text.removesuffix("\n")
    )


def shown(written: Written, form: Format, *, alone: bool = True, new: bool | None = None) -> str:
    """Return `written` in a format, without a line end after it.

    Args:
        written: the text.
        form: text has a header with the seed where there are several; lines is one line; jsonl is an object with seed,
            text, logprob and new; what lines escape is escaped there, too, as JSON does.
        alone: whether it is the only text.
        new: whether it stands nowhere in the text that the model has learnt; None where that is not known.
    """
    seed = written.options.seed
    if form == "lines":
        return as_line(written.text)
    if form == "jsonl":
        return as_json({"seed": seed, "text": written.text, "logprob": written.logprob, "new": new})
    return written.text if alone else f"--- seed {seed} ---\n{written.text}"


def as_json(values: Mapping[str, object]) -> str:
    """Return an object of JSON in one line that no terminal obeys, its letters as they are."""
    line = json.dumps(values, ensure_ascii=False)
    return "".join(json_escape(c) if unicodedata.category(c) in ESCAPED else c for c in line)


def json_escape(character: str) -> str:
    """Return the escape of JSON for any character in one of its strings."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def listed(texts: Sequence[Written], form: Format) -> str:
    """Return several texts one after the other, each with a line end after it."""
    return "".join(shown(one, form, alone=False) + "\n" for one in texts)


def fitting(texts: Sequence[Written], length: int) -> list[Written]:
    """Return the first of `texts`, and those after it that together have at most `length` characters."""
    ends = itertools.accumulate(len(one.text) for one in texts)
    return [one for number, (one, end) in enumerate(zip(texts, ends, strict=True)) if number == 0 or end <= length]
