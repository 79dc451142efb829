"""The reference of all parameters; writes `params.yaml` and `docs/parameters.md` from the schema.

`python -m charrnn.config.reference` writes both; with `--check` it only says what is stale and exits 1.
"""

import json
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from charrnn.config.loading import PROJECT
from charrnn.config.messages import params_error, suggestion
from charrnn.config.schema import Params
from charrnn.files import write_text

WIDTH = 120

YAML_HEAD = """\
# Every parameter of the pipeline, with its default. Change a run with an overlay (--params my.yaml, which needs only
# the keys it changes) or with --set section.name=value. Made from charrnn/config/schema.py by `make docs`.
"""

MARKDOWN_HEAD = """\
# Parameters

Every parameter of the pipeline: its default, what it may be, what it does. Made from `charrnn/config/schema.py` by
`python -m charrnn.config.reference`; CI fails when it is stale.

`params.yaml` holds the defaults. An overlay (`--params FILE`, any number, merged in order) needs only the keys it
changes: maps merge, lists and scalars replace. `--set section.name=value` comes last and is typed by the schema.
A text there is taken as it is, or, in quotes of its own, as YAML reads it: `--set 'data.join="\\n"'` is a line end, and
so is `--set data.join=$'\\n'` in bash. A prime and the names of runs and experiments keep their quotes.
A relative path is relative to the folder of the file that it stands in, with `--set` to the working directory.
"""


@dataclass(frozen=True)
class Entry:
    """The documentation of one parameter.

    Attributes:
        key: such as `training.learning_rate`.
        default: as JSON.
        allowed: its type and range, or its values, in Markdown.
        description: one paragraph on one line.
    """

    key: str
    default: str
    allowed: str
    description: str


def entries(key: str) -> list[Entry]:
    """Return the entry of parameter `key`, or all those of section `key`, in the order of the schema.

    Raises:
        ParamsError: there is no such parameter or section.
    """
    sections = dict(_sections())
    name, dot, parameter = key.partition(".")
    names = [parameter] if dot else list(sections[name].model_fields) if name in sections else []
    if not names or name not in sections or not set(names) <= sections[name].model_fields.keys():
        raise params_error(f"{key}: unknown parameter{suggestion(key.split('.'))}")
    return [_entry(name, sections[name], parameter) for parameter in names]


def _entry(name: str, section: type[BaseModel], parameter: str) -> Entry:
    field = section.model_fields[parameter]
    description = " ".join((field.description or "").split())
    return Entry(f"{name}.{parameter}", _json(field), _allowed(section, parameter), description)


def render_yaml() -> str:
    """Return the text of `params.yaml`."""
    lines = [YAML_HEAD]
    for name, section in _sections():
        lines.append(f"\n# {section.__doc__}\n{name}:")
        for key, field in section.model_fields.items():
            comment = " ".join((field.description or "").split())
            lines += [f"  # {line}" for line in textwrap.wrap(comment, WIDTH - 4)]
            lines.append(_yaml_entry(key, field))
    return "\n".join(lines) + "\n"


def render_markdown() -> str:
    """Return the text of `docs/parameters.md`."""
    lines = [MARKDOWN_HEAD]
    for name, section in _sections():
        lines += [
            f"## {name}\n",
            f"{section.__doc__}\n",
            "| parameter | default | may be | what |",
            "|---|---|---|---|",
        ]
        for entry in entries(name):
            description = entry.description.replace("|", "\\|")
            lines.append(f"| `{entry.key}` | `{entry.default}` | {entry.allowed} | {description} |")
        lines.append("")
    return "\n".join(lines)


def _sections() -> list[tuple[str, type[BaseModel]]]:
    sections = []
    for name, field in Params.model_fields.items():
        assert isinstance(field.annotation, type)
        sections.append((name, field.annotation))
    return sections


def _default(field: FieldInfo) -> object:
    return field.get_default(call_default_factory=True)


def _json(field: FieldInfo) -> str:
    return json.dumps(_default(field), ensure_ascii=False)


def _yaml_entry(key: str, field: FieldInfo) -> str:
    default = _default(field)
    if isinstance(default, tuple) and len(_json(field)) > 80:
        return f"  {key}:\n" + "\n".join(f"    - {json.dumps(item, ensure_ascii=False)}" for item in default)
    if isinstance(default, str) and default.replace("-", "").replace("_", "").isalnum():
        return f"  {key}: {default}"
    return f"  {key}: {_json(field)}"


def _allowed(section: type[BaseModel], key: str) -> str:
    """Describe a field's type and range, from its JSON schema."""
    schema = section.model_json_schema()["properties"][key]
    options = schema.get("anyOf", [schema])
    return ", or ".join(_describe(option) for option in options)


def _describe(schema: dict[str, object]) -> str:
    if "enum" in schema:
        values = schema["enum"]
        assert isinstance(values, list)
        return ", ".join(f"`{value}`" for value in values)
    if "const" in schema:
        return f"`{schema['const']}`"
    names = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    names |= {"null": "null", "object": "map of texts"}
    kind = str(schema["type"])
    if kind == "array":
        items = schema["items"]
        assert isinstance(items, dict)
        return f"list of {_describe(items)}"
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[limit]}" for limit, sign in limits.items() if limit in schema]
    return " ".join([names[kind], " and ".join(bounds)]).strip().replace(f"{2**63}", "2^63")


def main(arguments: list[str]) -> int:
    """Write both files, or with `--check` compare them; return the exit code."""
    stale = 0
    for path, text in _targets().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in arguments:
            print(f"{path.relative_to(PROJECT)} is stale: run python -m charrnn.config.reference", file=sys.stderr)
            stale = 1
        else:
            write_text(path, text)
    return stale


def _targets() -> dict[Path, str]:
    return {PROJECT / "params.yaml": render_yaml(), PROJECT / "docs" / "parameters.md": render_markdown()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
