"""Reads YAML as what JSON could hold; a key that is there twice is an error. Knows no parameter."""

import json
from typing import Any

import yaml

from charrnn.config.messages import params_error
from charrnn.undecodable import original, portable

_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"


class _Loader(yaml.SafeLoader):
    """Takes keys as the texts that they are, and each once in a map; PyYAML silently takes the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Return the node of a map. Raises yaml.YAMLError."""
        node = super().compose_mapping_node(anchor)
        lines = dict[str, int]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            key.tag = _TEXT
            line = key.start_mark.line + 1
            if key.value in lines:
                problem = f"the key {key.value} is there twice, first in line {lines[key.value]}"
                raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
            lines[key.value] = line
        return node


def parse_yaml(text: str, where: str) -> Any:
    """Read YAML as what JSON could hold: dates become text, and nothing contains itself.

    Args:
        text: one document.
        where: what a message begins with.

    Raises:
        ParamsError: it is no YAML, with the line.
    """
    taken = portable(text)
    try:
        content = json.dumps(yaml.load(taken, _Loader), default=str, ensure_ascii=False)
        return json.loads(content if taken == text else original(content))
    except yaml.YAMLError as error:
        raise params_error(original(f"{where}{_problem(error)}")) from None
    # PyYAML does not translate errors in the values of scalars, such as the 32nd of a month, or `!!bool x`.
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise params_error(f"{where}: is not valid YAML: {error}") from None


def _problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark else ""
    return f"{line}: is not valid YAML: {getattr(error, 'problem', None) or 'unreadable character'}"


def unquoted(text: str) -> str | None:
    """Return what `text` means if it is nothing but one text in quotes, as YAML has them; None if it is not.

    A line end in it is one: YAML would make a blank of it.
    """
    quoted = portable(text.strip(" "))
    if len(quoted) < 2 or quoted[0] not in "'\"":
        return None
    if quoted[0] == "'":
        inside = quoted[1:-1].replace("''", "")
        return None if quoted[-1] != "'" or "'" in inside else original(quoted[1:-1].replace("''", "'"))
    quoted = quoted.replace("\n", r"\n").replace("\r", r"\r")
    try:
        node = yaml.compose(quoted, yaml.SafeLoader)
    except (yaml.YAMLError, ValueError):  # a ValueError for an escape beyond Unicode
        return None
    if not isinstance(node, yaml.ScalarNode) or node.style != '"' or node.end_mark.index != len(quoted):
        return None
    return original(node.value)
