"""Makes options of unchecked values: those of a command line, a form, a served table."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from charrnn.config.messages import dotted, explain, params_error
from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.types import Section

NO_NAMES: Mapping[str, str] = {}

Options = TypeVar("Options", bound=Section)


def read_options(values: Mapping[str, Any], names: Mapping[str, str] = NO_NAMES) -> SamplingOptions:
    """Return the options that `values` give by name; what is left out takes its default.

    Args:
        values: option -> value.
        names: option -> what messages call it, such as its flag; one that is not there goes by its own name.

    Raises:
        ParamsError: names the option, what was found and what is allowed.
    """
    unknown = [name for name in values if name not in SamplingOptions.model_fields]
    if unknown:
        raise params_error(f"unknown option {unknown[0]!r}; there are {', '.join(SamplingOptions.model_fields)}")
    return validated(SamplingOptions, values, names)


def validated(options: type[Options], values: Mapping[str, Any], names: Mapping[str, str] = NO_NAMES) -> Options:
    """Return the `options` that `values` give by name, all of which they have; `names` as for `read_options`.

    Raises:
        ParamsError: names the option, what was found and what is allowed.
    """
    try:
        return options.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = dotted(first["loc"])
        raise params_error(f"{names.get(name, name)}: {explain(first)}") from None


def with_seeds(options: SamplingOptions, count: int, names: Mapping[str, str] = NO_NAMES) -> list[SamplingOptions]:
    """Return the options of `count` texts, whose seeds are seed, seed + 1, and so on; `names` as for `read_options`.

    Raises:
        ParamsError: the last of them is too large for a seed.
    """
    return [read_options({**options.model_dump(), "seed": options.seed + number}, names) for number in range(count)]
