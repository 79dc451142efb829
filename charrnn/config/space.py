"""The space of a sweep: which values of which parameters its trials try. Read from YAML and checked by the schema.

Knows neither what chooses among the values nor how a trial is run.
"""

import difflib
import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import ValidationError

from charrnn.config.loading import merge
from charrnn.config.messages import dotted, explain, params_error, show, suggestion
from charrnn.config.schema import Params
from charrnn.config.writing import Dumper
from charrnn.config.yaml_text import parse_yaml

Scalar = str | int | float | bool | None
"""A value that can be tried."""

SECTIONS = ("model", "training")
"""What can be searched: another section changes what val/loss is measured on, or nothing of it."""
CHOICES, RANGE, WHEN = "values", ("low", "high", "log", "step"), "when"
# Combinations of values that are checked before anything starts; of more there are, so many are drawn.
MOST_COMBINATIONS = 2000
# Values of a grid; a finer one is a mistake.
MOST_STEPS = 1_000_000


@dataclass(frozen=True)
class Choices:
    """One of some values."""

    values: tuple[Scalar, ...]

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """Values that stand for all when combinations are checked."""
        return self.values

    def written(self) -> dict[str, Any]:
        """Return what the file of a space says."""
        return {CHOICES: list(self.values)}


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included.

    Attributes:
        low: the lowest.
        high: the highest.
        log: draw its logarithm evenly, not the number itself.
        step: only `low` plus a multiple of it; None for no grid.
        whole: only whole numbers.
    """

    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """Values that stand for all when combinations are checked."""
        return (self.low, self.high)

    def written(self) -> dict[str, Any]:
        """Return what the file of a space says."""
        rest = {"log": self.log or None, "step": self.step}
        return {"low": self.low, "high": self.high, **{key: value for key, value in rest.items() if value is not None}}


@dataclass(frozen=True)
class Searched:
    """A parameter whose value a trial chooses.

    Attributes:
        key: such as `training.learning_rate`.
        candidates: what it may be.
        when: key of another searched parameter -> its values with which this one is searched; with others, it stays
            what it is outside of the space.
    """

    key: str
    candidates: Choices | Range
    when: dict[str, tuple[Scalar, ...]] = field(default_factory=dict)

    def applies(self, assignment: Mapping[str, Scalar]) -> bool:
        """Whether it is searched in a trial with the values in `assignment`."""
        return all(key in assignment and assignment[key] in values for key, values in self.when.items())

    def written(self) -> Any:
        """Return what the file of a space says, in its shortest form."""
        content = self.candidates.written()
        if self.when:
            content[WHEN] = {key: list(values) for key, values in self.when.items()}
        return content[CHOICES] if list(content) == [CHOICES] else content


@dataclass(frozen=True)
class Space:
    """What the trials of a sweep try.

    Attributes:
        searched: in an order in which a condition comes after what it asks for.
        fixed: key -> value that every trial takes, such as a shorter limit.
    """

    searched: tuple[Searched, ...]
    fixed: dict[str, Any]

    def apply(self, base: Params, assignment: Mapping[str, Scalar]) -> Params:
        """Return the parameters of a trial.

        Args:
            base: of the sweep.
            assignment: key -> value of what is searched.

        Raises:
            ParamsError: the values contradict each other.
        """
        return apply_values(base, {**self.fixed, **assignment}, in_words(assignment))

    def written(self) -> dict[str, Any]:
        """Return what a file of this space says; equal spaces say the same."""
        return {**{one.key: one.written() for one in self.searched}, **self.fixed}

    def to_yaml(self) -> str:
        """Return the space as YAML that `parse_space` reads back."""
        text: str = yaml.dump(
            self.written(), Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
        )
        return text

    def differences(self, other: "Space") -> list[str]:
        """Return a description of each parameter that `other` searches in another way."""
        before, now = self.written(), other.written()
        return [
            f"{key} (was {show(before[key]) if key in before else 'not there'}, "
            f"now {show(now[key]) if key in now else 'not there'})"
            for key in {**before, **now}
            if key not in before or key not in now or before[key] != now[key]
        ]


def read_space(path: Path, base: Params) -> Space:
    """Read the space in the file `path`; it is checked together with `base`, the parameters of the sweep.

    Raises:
        ParamsError: it cannot be read or parsed, or a key, a value, a range or a condition is wrong, or values that may
            come together contradict each other.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise params_error(f"{path}: cannot read the space: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise params_error(f"{path}: is not UTF-8 text (byte {error.start})") from None
    return parse_space(text, str(path), base)


def parse_space(text: str, where: str, base: Params) -> Space:
    """Return the space that `text` describes. Raises ParamsError as `read_space` does, beginning with `where`."""
    content = parse_yaml(text, where)
    if not isinstance(content, dict) or not content:
        example = "'model.hidden_size: [128, 256]'"
        raise params_error(f"{where}: must be a map of what is tried, such as {example}, got {show(content)}")
    searched: list[Searched] = []
    fixed: dict[str, Any] = {}
    for key, written in content.items():
        place = f"{where}: {key}"
        _check_key(key, place)
        if isinstance(written, list | dict):
            searched.append(_searched(key, written, place, base, {one.key: one for one in searched}))
        else:
            fixed[key] = _checked(key, written, place, base)
    if not searched:
        raise params_error(f"{where}: searches nothing; give a parameter a list of values, or a map with low and high")
    space = Space(tuple(searched), fixed)
    for assignment in _combinations(space):
        try:
            space.apply(base, assignment)
        except ValueError as error:
            raise params_error(f"{where}: {error}") from None
    return space


def apply_values(base: Params, values: Mapping[str, Any], words: str) -> Params:
    """Return `base` with `values` (dotted key -> value).

    Args:
        base: parameters.
        values: replace those of `base`.
        words: what a message calls the values.

    Raises:
        ParamsError: they contradict each other, or are not allowed.
    """
    merged = base.model_dump(mode="json")
    for key, value in values.items():
        merged = merge(merged, _nested(key, value))
    try:
        return Params.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        place = dotted(first["loc"])
        raise params_error(": ".join(part for part in (f"with {words}", place, explain(first)) if part)) from None


def in_words(assignment: Mapping[str, Scalar]) -> str:
    """Return values for people, such as `model.hidden_size=128 training.learning_rate=0.0049`."""
    return " ".join(f"{key}={_shown(value)}" for key, value in assignment.items())


def _shown(value: Scalar) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _nested(key: str, value: Any) -> dict[str, Any]:
    section, _, name = key.partition(".")
    return {section: {name: value}}


def _check_key(key: str, place: str) -> None:
    """Raise ParamsError unless `key` is a parameter that a trial may choose."""
    section, dot, name = key.partition(".")
    sections = Params().model_dump()
    if not dot and key in sections:
        raise params_error(f"{place}: is a section; write its parameters as {key}.NAME")
    if name not in sections.get(section, {}):
        raise params_error(f"{place}: unknown parameter{suggestion(key.split('.'))}")
    if section not in SECTIONS:
        allowed = " and ".join(f"{one}.*" for one in SECTIONS)
        raise params_error(f"{place}: only {allowed} can be searched, others change what val/loss is measured on")


def _searched(
    key: str, written: list[Any] | dict[str, Any], place: str, base: Params, before: Mapping[str, Searched]
) -> Searched:
    content = {CHOICES: written} if isinstance(written, list) else dict(written)
    when = _condition(content.pop(WHEN, {}), f"{place}: {WHEN}", before)
    known = (CHOICES, *RANGE, WHEN)
    for name in content:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise params_error(f"{place}: must have {CHOICES}, or low and high with log or step, got {name}{hint}")
    if CHOICES in content and len(content) > 1:
        raise params_error(f"{place}: has both {CHOICES} and a range; give one of them")
    candidates = (
        _choices(key, content[CHOICES], place, base) if CHOICES in content else _range(key, content, place, base)
    )
    return Searched(key, candidates, when)


def _choices(key: str, values: Any, place: str, base: Params) -> Choices:
    if not isinstance(values, list) or not values:
        raise params_error(f"{place}: must be a list of values that is not empty, got {show(values)}")
    checked: list[Scalar] = []
    for value in values:
        if isinstance(value, list | dict):
            raise params_error(f"{place}: each value must be a number, a text, true, false or null, got {show(value)}")
        taken = _checked(key, value, place, base)
        if taken in checked:
            raise params_error(f"{place}: has {show(value)} twice")
        checked.append(taken)
    return Choices(tuple(checked))


def _range(key: str, content: Mapping[str, Any], place: str, base: Params) -> Range:
    section, _, name = key.partition(".")
    kinds = _kinds(type(getattr(base, section)).model_fields[name].annotation)
    if not kinds & {int, float}:
        raise params_error(f"{place}: is no number, so it has no range; give a list of values")
    whole = float not in kinds
    for end in ("low", "high"):
        if end not in content:
            raise params_error(f"{place}: a range needs low and high, {end} is not there")
    low, high = (
        _number(_checked(key, content[end], f"{place}: {end}", base), f"{place}: {end}") for end in ("low", "high")
    )
    log, step = content.get("log", False), content.get("step")
    step = None if step is None else _number(_typed(step), f"{place}: step")
    if whole and step is not None and step != int(step):
        raise params_error(f"{place}: step: must be a whole number, got {show(step)}")
    if not isinstance(log, bool):
        raise params_error(f"{place}: log: must be true or false, got {show(log)}")
    if low >= high:
        raise params_error(f"{place}: the range is empty: low must be below high, got {show(low)} and {show(high)}")
    if log and low <= 0:
        raise params_error(f"{place}: low: must be > 0 where log is true, got {show(low)}")
    if log and step is not None:
        raise params_error(f"{place}: has both log and step; give one of them")
    if step is not None and not 0 < step <= high - low:
        raise params_error(f"{place}: step: must be > 0 and at most high - low = {high - low:g}, got {show(step)}")
    if step is not None:
        _check_grid(low, high, step, place)
    return Range(low, high, log, step, whole)


def _check_grid(low: float, high: float, step: float, place: str) -> None:
    """Raise ParamsError unless steps, as they are written in decimal, lead from `low` to `high`."""
    width, each = Decimal(str(high)) - Decimal(str(low)), Decimal(str(step))
    steps = int(width / each)
    if steps > MOST_STEPS:
        finest = (high - low) / MOST_STEPS
        raise params_error(f"{place}: step: must be at least {finest:g}, got {show(step)}; leave it out for no grid")
    if steps * each != width:
        nearest = Decimal(str(low)) + steps * each
        raise params_error(f"{place}: high: must be low plus a multiple of step, such as {nearest}, got {show(high)}")


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise params_error(f"{place}: must be a finite number, got {show(value)}")
    return value


def _typed(value: Any) -> Any:
    """Return the number that a text such as 1e-3, which is none in YAML 1.1, stands for, as the schema does."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _condition(written: Any, place: str, before: Mapping[str, Searched]) -> dict[str, tuple[Scalar, ...]]:
    if not isinstance(written, dict):
        raise params_error(f"{place}: must be a map from a searched parameter to its values, got {show(written)}")
    condition: dict[str, tuple[Scalar, ...]] = {}
    for key, wanted in written.items():
        other = before.get(key)
        if other is None or not isinstance(other.candidates, Choices):
            close = difflib.get_close_matches(str(key), before, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise params_error(f"{place}: {key}: must be a parameter with a list of values further up{hint}")
        values = tuple(wanted) if isinstance(wanted, list) else (wanted,)
        if not values:
            raise params_error(f"{place}: {key}: must have a value, got []")
        for value in values:
            if value not in other.candidates.values:
                allowed = ", ".join(map(show, other.candidates.values))
                raise params_error(f"{place}: {key}: must be among its values {allowed}, got {show(value)}")
        condition[key] = values
    return condition


def _checked(key: str, value: Any, place: str, base: Params) -> Any:
    """Return what the schema makes of `value`. Raises ParamsError where it does not take it."""
    section, _, name = key.partition(".")
    merged = merge(base.model_dump(mode="json"), _nested(key, value))
    try:
        checked = Params.model_validate(merged)
    except ValidationError as error:
        for found in error.errors():
            if found["loc"][:2] == (section, name):
                raise params_error(f"{place}: {explain(found)}") from None
        return value  # it contradicts another parameter, which may be searched, too
    return checked.model_dump(mode="json")[section][name]


def _kinds(annotation: Any) -> set[Any]:
    """Return the plain types that a value of `annotation` may have."""
    if get_origin(annotation) is Literal:
        return set()
    parts = get_args(annotation)
    if not parts:
        return {annotation}
    return set().union(*(_kinds(part) for part in parts))


def _combinations(space: Space) -> Iterator[dict[str, Scalar]]:
    """Yield assignments that stand for all: every one where there are few, else some that are drawn."""
    ends: list[Sequence[Scalar]] = [one.candidates.ends for one in space.searched]
    drawn: Iterator[tuple[Scalar, ...]]
    if math.prod(map(len, ends)) <= MOST_COMBINATIONS:
        drawn = itertools.product(*ends)
    else:
        draw = random.Random(0)
        drawn = (tuple(draw.choice(values) for values in ends) for _ in range(MOST_COMBINATIONS))
    for values in drawn:
        assignment: dict[str, Scalar] = {}
        for one, value in zip(space.searched, values, strict=True):
            if one.applies(assignment):
                assignment[one.key] = value
        yield assignment
