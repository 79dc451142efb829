"""Options that are the fields of a pydantic model, and the answer to values it does not take."""

import inspect
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from charrnn.config.messages import explain
from charrnn.errors import ParamsError

Model = TypeVar("Model", bound=BaseModel)

METAVARS = {int: "N", float: "X", str: "TEXT"}
BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


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


def validated(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return `model` with `values`.

    Raises:
        ParamsError: names the option, what it may be and what was found.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
    name = str(problem["loc"][0])
    option = flag(name, model.model_fields[name]) if _extra(model.model_fields[name]) else name
    bounds = _bounds(model.model_json_schema()["properties"][name])
    raise ParamsError(f"{option}: " + (f"must be {bounds}, got {values[name]}" if bounds else explain(problem)))


def flag(name: str, field: FieldInfo) -> str:
    """Return the option of a field, such as `--top-k`."""
    return str(_extra(field).get("flag", f"--{name.replace('_', '-')}"))


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


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


def _bounds(schema: Mapping[str, Any]) -> str:
    """Return the range of a field from its JSON schema, such as `> 0 and <= 1`; '' for none."""
    options = schema.get("anyOf", [schema])
    bounds = [f"{sign} {option[key]}" for option in options for key, sign in BOUNDS.items() if key in option]
    return " and ".join(bounds).replace(str(2**63), "2^63")
