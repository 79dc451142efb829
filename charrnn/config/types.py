"""The types of parameters: numbers with a range, texts, lists; and what all groups of parameters have in common."""

from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)


def _refuse_bool(value: Any) -> Any:
    """Refuse what pydantic would convert: `true` is not 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _as_list(value: Any) -> Any:
    """Take a single value for a list of one."""
    return [value] if isinstance(value, str | int | float) else value


def _keep_bytes(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Keep the bytes of a path that are no UTF-8, which Python has as lone surrogates and pydantic refuses."""
    if isinstance(value, str) and not value.isprintable():
        with suppress(UnicodeEncodeError):
            validate(value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
            return value
    return validate(value)


def _say_threads(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Refuse what is no number of threads in one sentence, where pydantic has one for each kind of value."""
    try:
        return validate(value)
    except ValidationError:
        raise ValueError(f"must be auto, null or a whole number from 1 to {MOST_THREADS}") from None


MOST_THREADS = 1024
_Number = BeforeValidator(_refuse_bool)
Count = Annotated[int, Field(ge=0), _Number]
PositiveInt = Annotated[int, Field(ge=1), _Number]
ThreadCount = Annotated[int, Field(ge=1, le=MOST_THREADS), _Number]
Threads = Annotated[Literal["auto"] | ThreadCount | None, WrapValidator(_say_threads)]
Float = Annotated[float, _Number]
PositiveFloat = Annotated[float, Field(gt=0), _Number]
NonNegativeFloat = Annotated[float, Field(ge=0), _Number]
Fraction = Annotated[float, Field(ge=0, lt=1), _Number]
OpenFraction = Annotated[float, Field(gt=0, lt=1), _Number]
PositiveShare = Annotated[float, Field(gt=0, le=1), _Number]
Hours = Annotated[float, Field(gt=0, le=8760), _Number]
Seed = Annotated[int, Field(ge=0, lt=2**63), _Number]
# No operating system takes NUL in a name.
Text = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]
PathText = Annotated[Text, WrapValidator(_keep_bytes)]
Sources = Annotated[tuple[PathText, ...], Field(min_length=1), BeforeValidator(_as_list)]
Temperatures = Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1), BeforeValidator(_as_list)]


class Section(BaseModel):
    """One group of parameters: frozen, finite, no unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
        use_attribute_docstrings=True,
    )
