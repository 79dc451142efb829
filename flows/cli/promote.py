"""`charrnn promote`: make a version the champion by hand, an older one, to overrule the test, to approve."""

from contextlib import suppress
from typing import Annotated

import typer

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.errors import ParamsError
from charrnn.undecodable import escaped
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible
from tasks.tracking.naming import CHAMPION
from tasks.tracking.runs import PROMOTION_TAG, WAITING_TAG

EXAMPLES = [
    ("charrnn 3", "version 3 of the registered model charrnn"),
    ("charrnn/3", "the same"),
    ("--approve last", "the version of the newest run, which waits for a yes (tracking.promotion: approval)"),
]


def promote(
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The registered model; or NAME/VERSION.", show_default=False)
    ] = None,
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="The version that is to be the champion.")
    ] = None,
    approve: Annotated[
        str | None,
        typer.Option(metavar="RUN_ID|last", help="Say yes to the version of this run, which waits for approval."),
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Kept with the version.")] = "by hand",
    overlays: Overlays,
    overrides: Overrides,
) -> int:
    """Make a version of a registered model the champion."""
    reason = escaped(reason)
    if approve is not None:
        if name is not None:
            raise ParamsError(f"--approve: names the run of the version, so that no NAME is given, got {escaped(name)}")
        return _approve(load_params(overlays, overrides), approve, reason)
    if name is None:
        raise ParamsError("NAME: must be given, as NAME VERSION or NAME/VERSION, or else --approve RUN_ID")
    name = escaped(name)
    model, _, own = name.partition("/")
    if own and version is not None:
        raise ParamsError(f"VERSION: is given twice, in {name} and as {version}")
    chosen = own or version
    if not model or not chosen:
        raise ParamsError(f"VERSION: must be given, as NAME VERSION or NAME/VERSION, got {name}")
    params = load_params(overlays, overrides)
    with interruptible():
        from flows.deployed.approval import answer
        from tasks.events import announce
        from tasks.tracking.approval import as_reason
        from tasks.tracking.mlflow import (
            Experiment,
            RunGoneError,
            alias_version,
            describe_version,
            run_at,
            run_tag,
            set_alias,
            set_tags,
            version_run,
        )

    experiment = Experiment(params.tracking, params.data)
    store = experiment.store
    before = alias_version(store, model, CHAMPION)
    decision = f"champion: {as_reason(reason)}"
    describe_version(store, model, chosen, decision)
    set_alias(store, model, chosen, CHAMPION)
    if run_id := version_run(store, model, chosen):
        with suppress(RunGoneError):
            run = run_at(store.uri, run_id, experiment.data)
            waited = run_tag(run, WAITING_TAG)
            set_tags(run, {PROMOTION_TAG: decision, WAITING_TAG: ""})
            announce("promoted", run, f"{model} version {chosen} is the champion. {decision}")
            if waited:
                answer(run)
    print(_done(model, chosen, before))
    return 0


def _approve(params: Params, wanted: str, reason: str) -> int:
    with interruptible():
        from flows.deployed.approval import answer
        from tasks.events import announce
        from tasks.tracking.approval import settle, waiting_version
        from tasks.tracking.mlflow import Experiment

    run = Experiment(params.tracking, params.data).find_run(wanted)
    waiting = waiting_version(run)
    if waiting is None:
        raise ParamsError(f"--approve: no version of run {run.run_id} waits for approval")
    decision = settle(run, waiting, approved=True, reason=f"approved {reason}")
    announce("promoted", run, f"{waiting.name} version {waiting.version} is the champion. {decision}")
    print(_done(waiting.name, waiting.version, waiting.champion))
    answer(run)
    return 0


def _done(model: str, version: str, before: str) -> str:
    return f"{model} version {version} is the champion (before: {before or 'none'})"
