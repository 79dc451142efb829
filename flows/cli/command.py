"""What all commands have in common: options, examples, and how arguments are read and mistakes in them answered."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperCommand

from charrnn.config.messages import explain
from flows.cli.errors import answer, guarded
from flows.naming import typed

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 120}
# An example that is longer (characters) has its explanation on the next line.
LONGEST = 60

Overlays = Annotated[
    list[str],
    typer.Option(
        "--params",
        metavar="FILE",
        default_factory=list,
        show_default=False,
        help="Overlay merged over params.yaml; may be given several times, later ones win.",
    ),
]
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        default_factory=list,
        show_default=False,
        help="One parameter, such as training.learning_rate=0.002; may be given several times.",
    ),
]

Example = tuple[str, str]
"""What follows the command, or holds it as `{}`; and what that does."""


class Command(TyperCommand):
    """A command that takes no option for the value of another: `--name --quiet` lacks a name.

    The arguments of its methods are of classes that typer does not export.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the help of arguments, without their Python types, and of options."""
        arguments = [param for param in self.params if param.param_type_name == "argument"]
        options = [param for param in self.get_params(ctx) if param.param_type_name == "option"]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl([(param.metavar, getattr(param, "help", "")) for param in arguments])
        with formatter.section("Options"):
            formatter.write_dl([record for param in options if (record := param.get_help_record(ctx))])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read `args`. Raises typer.TyperException for a mistake."""
        valued = {flag for option in self.params if not getattr(option, "is_flag", True) for flag in option.opts}
        before_dashes = args[: args.index("--")] if "--" in args else args
        for flag, value in itertools.pairwise(before_dashes):
            if flag in valued and _looks_like_option(value):
                raise typer.BadParameter(f"{flag}: needs a value, got the option {value} (a value: {flag}={value})")
        return super().parse_args(ctx, args)


def _looks_like_option(value: str) -> bool:
    """Whether `value` begins as an option does and is neither a number nor several words."""
    if not value.startswith("-") or value == "-" or " " in value:
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def add_command(
    app: typer.Typer, name: str, function: Callable[..., int], examples: Sequence[Example] = (), notes: str = ""
) -> None:
    """Add the command `name` to `app`.

    Args:
        app: gets the command.
        name: of the command.
        function: gets the values of the options and returns the exit code; its docstring is the help.
        examples: shown below the options.
        notes: a paragraph below the examples.
    """

    @functools.wraps(function)
    def command(**values: Any) -> int:
        return guarded(lambda: function(**values))

    epilog = "\n\n".join(part for part in (_render(name, examples), notes) if part)
    summary = (function.__doc__ or "").partition("\n")[0]
    app.command(name, cls=Command, short_help=summary, epilog=epilog, context_settings=SETTINGS)(command)


def _render(name: str, examples: Sequence[Example]) -> str:
    """Return the examples in two columns, '' for none."""
    rows = [
        (arguments.format(typed(name)) if "{}" in arguments else f"{typed(name)} {arguments}".rstrip(), what)
        for arguments, what in examples
    ]
    width = max((len(line) for line, what in rows if what and len(line) <= LONGEST), default=0) + 2
    lines = ["examples:"]
    for line, what in rows:
        if what and len(line) > LONGEST:
            lines += [line, " " * width + what]
        else:
            lines.append(f"{line:<{width}}{what}".rstrip())
    # The backspace keeps typer from wrapping the lines that follow.
    return "\n  ".join(["\b", *lines]).replace("\n  ", "\n", 1) if rows else ""


def answer_usage(error: typer.TyperException) -> int:
    """Answer a mistake in the arguments themselves: one line, exit code 2."""
    message = error.format_message()
    if isinstance(error, typer.BadParameter) and isinstance(error.__cause__, ValidationError) and error.param:
        problem = error.__cause__.errors()[0]
        # Where typer itself says what is allowed, it has named what was found.
        rule = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else explain(problem)
        message = f"{'/'.join(error.param.opts)}: {rule}"
    elif isinstance(error, typer.BadParameter) and error.message:
        message = error.message
    elif "unexpected extra argument" in message:
        message += "; if it was a pattern or a value with blanks, put it in quotes"
    return answer(message[:1].lower() + message[1:].removesuffix("."), 2)
