"""The text of a record: a template over the columns of a table. Knows no format of tables."""

import difflib
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from charrnn.errors import CorpusError, ParamsError

_MOST_COLUMNS, _MOST_CHARACTERS = 20, 40
"""How many columns a message lists, and how much it shows of what is in a file (characters)."""
_LONGEST_NAME = 200
"""Columns with longer names are no candidates for what was meant (characters): comparing takes the product of both."""


@dataclass(frozen=True)
class Template:
    """The text of a record, with its columns in braces.

    Attributes:
        parts: what it is made of, in order: a text, and the column after it, None where there is none.
    """

    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Read a template such as "{title}: {text}"; {{ and }} are braces.

        A field is the name of a column, whatever characters it has: nothing is looked up in a value.

        Raises:
            ParamsError: braces that do not match, a field without a name or with a format, no field.
        """
        try:
            found = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ParamsError(f"data.template: {error}, in {text!r}; write a brace of the text twice") from None
        for _, field, form, conversion in found:
            if field is not None and (not field or form or conversion):
                written = f"{field}{'!' if conversion else ''}{conversion or ''}{':' if form else ''}{form}"
                raise ParamsError(
                    f"data.template: a field must be the name of a column in braces, got '{{{written}}}' in {text!r}"
                )
        template = cls(tuple((literal, field) for literal, field, _, _ in found))
        if not template.columns:
            raise ParamsError(f"data.template: names no column in braces, got {text!r}")
        return template

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, each once, in order."""
        return tuple(dict.fromkeys(column for _, column in self.parts if column is not None))

    def fill(self, record: Mapping[str, str]) -> str:
        """Return the text of `record`, which maps each of its columns to a value."""
        return "".join(text if column is None else text + record[column] for text, column in self.parts)


def choose(columns: Sequence[str], where: str, told: str, template: Template | None) -> tuple[str, ...]:
    """Return the columns that the template names, or the only one.

    Args:
        columns: those that there are.
        where: what messages begin with.
        told: what says that these are the columns, for messages, with a blank before it.
        template: the one that was asked for; None for the text of the only column.

    Raises:
        CorpusError: a column that it names is not among `columns` or is there twice; there is not exactly one column
            and no template.
    """
    if template is None:
        if len(columns) != 1:
            raise CorpusError(
                f"{where}: has {len(columns)} columns: {listed(columns)}{told}; "
                "set data.template to the text of a record, with columns in braces"
            )
        return tuple(columns)
    for wanted in template.columns:
        if wanted not in columns:
            candidates = [column for column in columns if len(column) <= _LONGEST_NAME]
            near = difflib.get_close_matches(wanted, candidates, n=1, cutoff=0) if len(wanted) <= _LONGEST_NAME else []
            nearest = f"the nearest is {shown(near[0])}; " if near else ""
            raise CorpusError(
                f"{where}: has no column {shown(wanted)}, which data.template names; {nearest}"
                f"columns: {listed(columns)}{told}"
            )
        if columns.count(wanted) > 1:
            raise CorpusError(
                f"{where}: has {columns.count(wanted)} columns {shown(wanted)}, which data.template names{told}"
            )
    return template.columns


def listed(columns: Sequence[str]) -> str:
    """Return the first of `columns` in quotes, for a message."""
    more = len(columns) - _MOST_COLUMNS
    named = ", ".join(map(shown, columns[:_MOST_COLUMNS]))
    return (named or "none") + (f" and {more} more" if more > 0 else "")


def shown(text: str) -> str:
    """Return the beginning of `text`, which is from a file, in quotes and on one line."""
    return repr(text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…")
