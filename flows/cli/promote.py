"""`charrnn promote`: make a version the champion by hand, to go back to an older one or to overrule the test."""

from typing import Annotated

import typer

from charrnn.config.loading import load_params
from charrnn.errors import ParamsError
from charrnn.undecodable import escaped
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible
from tasks.tracking.naming import CHAMPION

EXAMPLES = [("charrnn 3", "version 3 of the registered model charrnn"), ("charrnn/3", "the same")]


def promote(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The registered model; or NAME/VERSION.")],
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="The version that is to be the champion.")
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Kept with the version.")] = "by hand",
    overlays: Overlays,
    overrides: Overrides,
) -> int:
    """Make a version of a registered model the champion."""
    name, reason = escaped(name), escaped(reason)
    model, _, own = name.partition("/")
    if own and version is not None:
        raise ParamsError(f"VERSION: is given twice, in {name} and as {version}")
    chosen = own or version
    if not model or not chosen:
        raise ParamsError(f"VERSION: must be given, as NAME VERSION or NAME/VERSION, got {name}")
    params = load_params(overlays, overrides)
    with interruptible():
        from tasks.tracking.mlflow import Store, alias_version, describe_version, set_alias

    store = Store.of(params.tracking)
    before = alias_version(store, model, CHAMPION)
    describe_version(store, model, chosen, f"champion: {reason}")
    set_alias(store, model, chosen, CHAMPION)
    print(f"{model} version {chosen} is the champion (before: {before or 'none'})")
    return 0
