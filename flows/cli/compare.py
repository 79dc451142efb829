"""`charrnn compare`: runs beside each other, in the terminal, as Markdown, as a page."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from charrnn.config.loading import load_params
from charrnn.errors import ParamsError
from charrnn.files import write_bytes, write_text
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible

EXAMPLES = [
    ("--last 3", "the three newest runs"),
    ("RUN_ID RUN_ID --html compared.html", ""),
    ("--last 10 --experiment novel --markdown compared.md --picture compared.png", ""),
]
DEFAULT_LAST = 5


def compare(
    *,
    run_ids: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_ID", default_factory=list, show_default=False, help="The runs, in the order they are shown."
        ),
    ],
    last: Annotated[
        int | None, typer.Option(metavar="N", help=f"The experiment's N newest runs (default: {DEFAULT_LAST}).")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="The experiment of --last (tracking.experiment).")
    ] = None,
    markdown: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the tables and samples as Markdown.")
    ] = None,
    picture: Annotated[str | None, typer.Option(metavar="FILE", help="Write the curves as PNG.")] = None,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Write everything as a self-contained page.")] = None,
    overlays: Overlays,
    overrides: Overrides,
) -> int:
    """Compare runs: parameters that differ, results, curves, samples."""
    if run_ids and (last is not None or experiment is not None):
        raise ParamsError("run ids are compared as given: --last and --experiment go without them")
    newest = DEFAULT_LAST if last is None else last
    if newest < 1:
        raise ParamsError(f"--last: must be >= 1, got {newest}")
    if experiment is not None:
        overrides.append(f"tracking.experiment={experiment}")
    params = load_params(overlays, overrides)
    with interruptible():
        from tasks.tracking.comparison import Comparison, compared_metrics
        from tasks.tracking.mlflow import Experiment, read_run

    recorded = Experiment(params.tracking, params.data)
    found = [recorded.find_run(run_id) for run_id in run_ids] or recorded.last_runs(newest)
    if not found:
        raise ParamsError(f"tracking.experiment: '{params.tracking.experiment}' has no runs to compare")
    comparison = Comparison([read_run(run, compared_metrics()) for run in found])
    print(comparison.markdown(), end="")
    for path, content in (
        (markdown, comparison.markdown),
        (html, comparison.html),
    ):
        if path is not None:
            write_text(Path(path), content())
            print(f"written: {path}", file=sys.stderr)
    if picture is not None:
        write_bytes(Path(picture), comparison.picture())
        print(f"written: {picture}", file=sys.stderr)
    return 0
