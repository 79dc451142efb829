"""A commented overlay: parameters, each with the reason for its value above it, as YAML. Chooses no value.

What is quoted from a text is hostile: `quoted` makes it fit for a comment, and no line end gets into a comment.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from charrnn.config.schema import Params
from charrnn.config.writing import Dumper

_WIDTH = 110

Value = str | int | float | bool | None | list[str]


@dataclass(frozen=True)
class Choice:
    """A parameter and why it has its value.

    Attributes:
        key: such as `training.max_minutes`.
        value: of it.
        reason: sentences; what they hold of a text has gone through `quoted`. '' for none.
    """

    key: str
    value: Value
    reason: str


def overlay(head: Sequence[str], choices: Sequence[Choice]) -> str:
    """Return `choices` as YAML, in the order of the sections of Params, with `head` as the comment above them all.

    Args:
        head: paragraphs.
        choices: at most one a key.
    """
    lines = [line for paragraph in head for line in _comment(paragraph, "")]
    for section in Params.model_fields:
        chosen = [choice for choice in choices if choice.key.startswith(f"{section}.")]
        if chosen:
            lines += ["", f"{section}:"]
        for choice in chosen:
            lines += _comment(choice.reason, "  ")
            lines.append(f"  {choice.key.partition('.')[2]}: {_flow(choice.value)}")
    return "\n".join(lines) + "\n"


def quoted(text: str, longest: int = 24) -> str:
    """Return `text` in quotation marks, without a character that a terminal or YAML would obey.

    Args:
        text: any.
        longest: it is shortened to so many characters.
    """
    shown = text if len(text) <= longest else text[: longest - 3] + "..."
    return '"' + "".join(c if c.isprintable() else _escape(c) for c in shown) + '"'


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _comment(text: str, indent: str) -> list[str]:
    start = f"{indent}# "
    printable = "".join(character if character.isprintable() else " " for character in text)
    return textwrap.wrap(
        printable, _WIDTH, initial_indent=start, subsequent_indent=start, break_long_words=False, break_on_hyphens=False
    )


def _flow(value: Value) -> str:
    """Return `value` as YAML on one line."""
    # As the only item of a list: on its own, a scalar would be followed by the end of its document.
    text: str = yaml.dump([value], Dumper=Dumper, default_flow_style=True, allow_unicode=True, width=float("inf"))
    return text.strip()[1:-1]
