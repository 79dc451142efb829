"""Texts as people type them on a command line: in quotes they are read as YAML, else taken as they are."""

import re

from charrnn.config.messages import params_error
from charrnn.config.yaml_text import unquoted

_ESCAPE = re.compile(r"\\[nrt]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def typed_text(value: str, where: str, *, separates: bool) -> str:
    r"""Return the text that is meant by `value`, such as a line feed by "\n" in quotes.

    Args:
        value: as the command line has it.
        where: the option or parameter, for a message.
        separates: the text stands between others or ends them, so that a line end may be meant by `\n` without quotes.

    Raises:
        ParamsError: it has such a `\n` and is not in quotes, so that it would be a backslash and a letter; it is in
            double quotes and has an escape that is none.
    """
    text = unquoted(value)
    if text is not None:
        return text
    if _QUOTED.fullmatch(value.strip(" ")):
        problem = "an escape that YAML does not know; write a backslash twice"
        if "\\" not in value:
            problem = "a character that YAML does not allow in quotes"
        raise params_error(f"{where}: {value} has {problem}")
    if separates and (escape := _ESCAPE.search(value)):
        found = escape.group()
        raise params_error(
            f"{where}: has {found}, a backslash and a letter; what it stands for is $'{found}' in bash, or "
            f"'\"{found}\"', in double quotes inside the single ones; '\"\\{found}\"' keeps the backslash"
        )
    return value
