"""Options that are the fields of a model."""

from typing import Any

import pytest
import typer
from pydantic import Field
from typer.core import TyperCommand
from typer.main import get_command

from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.types import PositiveInt, PositiveShare, Section, Text
from flows.cli import sample
from flows.cli.command import add_command
from flows.cli.derived import flag, with_fields


class Options(Section):
    """A model that has what SamplingOptions may have."""

    size: PositiveInt = 3
    """How large
    it is."""
    least_share: PositiveShare | None = None
    """At least this."""
    stop: Text | None = Field(None, json_schema_extra={"flag": "--until"})
    """Where to stop."""


CALLS: list[dict[str, Any]] = []


@with_fields(Options, before="own", metavars={"least_share": "P"})
def command(*, own: bool = False, **options: Any) -> int:
    """Take some options."""
    CALLS.append({"own": own, **options})
    return 0


@pytest.fixture
def parser() -> TyperCommand:
    CALLS.clear()
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    add_command(app, "command", command)
    found = get_command(app)
    assert isinstance(found, TyperCommand)
    return found


def test_each_field_is_an_option_with_its_flag_and_type(parser: TyperCommand) -> None:
    parser.main(["--size", "4", "--least-share", "0.5", "--until", "the end"], standalone_mode=False)
    parser.main(["--own"], standalone_mode=False)
    assert CALLS == [
        {"own": False, "size": 4, "least_share": 0.5, "stop": "the end"},
        {"own": True, "size": 3, "least_share": None, "stop": None},
    ]


def test_help_has_descriptions_defaults_and_the_place_asked_for(
    parser: TyperCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    parser.main(["--help"], standalone_mode=False)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    options = [line for line in lines if line.startswith("--")]
    assert options[0].split(maxsplit=2) == ["--size", "N", "How large it is.  [default: 3]"]
    assert options[1].split(maxsplit=2) == ["--least-share", "P", "At least this."]
    assert options[2].split(maxsplit=2) == ["--until", "TEXT", "Where to stop."]
    assert options[3].startswith("--own")


def test_sample_takes_every_sampling_option() -> None:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    add_command(app, "sample", sample.sample)
    found = {param.name: param for param in get_command(app).params}
    for name, field in SamplingOptions.model_fields.items():
        assert found[name].opts == [flag(name, field)]
        assert found[name].default == field.default
