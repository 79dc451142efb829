"""Options of a command that are the fields of a pydantic model."""

import inspect
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

METAVARS = {int: "N", float: "X", str: "TEXT"}


def with_fields(
    model: type[BaseModel], *, before: str, metavars: Mapping[str, str]
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return a decorator that gives a command an option for each field of `model`, in place of its `**options`.

    Args:
        model: its fields' names, types, defaults and descriptions make the options; `json_schema_extra={"flag": ...}`
            of a field names another flag.
        before: the option of the command's own that those of the fields come before, in the help.
        metavars: field -> what stands for its value in the help, where that is not as for its type.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        signature = inspect.signature(command)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        fields = [_option(name, field, metavars.get(name)) for name, field in model.model_fields.items()]
        place = [p.name for p in own].index(before)
        vars(command)["__signature__"] = signature.replace(parameters=[*own[:place], *fields, *own[place:]])
        return command

    return decorate


def flag(name: str, field: FieldInfo) -> str:
    """Return the option of a field, such as `--top-k`."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return str(extra.get("flag", f"--{name.replace('_', '-')}"))


def flags(model: type[BaseModel]) -> dict[str, str]:
    """Return field -> option of all fields of `model`."""
    return {name: flag(name, field) for name, field in model.model_fields.items()}


def _option(name: str, field: FieldInfo, metavar: str | None) -> inspect.Parameter:
    kind = _plain(field.annotation)
    default = field.get_default()
    option = typer.Option(
        default,
        flag(name, field),
        metavar=metavar or METAVARS[kind],
        help=" ".join((field.description or "").split()),
    )
    annotation = kind | None if default is None else kind
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=annotation)


def _plain(annotation: Any) -> Any:
    """Return the type of a field without its range and without None."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    return annotation
