"""`charrnn report`: what a trained model has learnt, as one page."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.errors import CorpusError, DivergedError, FileError, ParamsError, TrackingError
from charrnn.files import write_text
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible
from flows.cli.given import MODEL, find_checkpoint, find_splits, name_of, read_text
from tasks.tracking.naming import kind_of

if TYPE_CHECKING:
    from charrnn.report.subject import History
    from charrnn.training.checkpoint import Checkpoint

EXAMPLES = [
    ("last", "the newest run, as report.html"),
    ("charrnn@champion --output champion.html", "a registered model"),
    ("best.ckpt --text chapter.txt", "a checkpoint file on a text it was not trained on"),
    ("last --set report.seconds=60", "with more of the text read"),
]


def report(
    *,
    wanted: Annotated[str, MODEL],
    output: Annotated[str, typer.Option(metavar="FILE", help="The page.")] = "report.html",
    text: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-",
            show_default=False,
            help="A text in UTF-8 that the model was not trained on, which is read instead of the validation split; - "
            "is standard input. Needed where the encoded text of the model is not in the data folder; without that, "
            "the page has no n-gram model and says nothing of copying.",
        ),
    ] = None,
    overlays: Overlays,
    overrides: Overrides,
) -> int:
    """Make a page of what a trained model has learnt: surprisal, cells, memory, copying, curves, characters."""
    if Path(output).is_dir():
        raise FileError(f"--output: {output} is a folder, must be a file")
    started = time.monotonic()
    given = None if text is None else read_text(text, "the text")
    params = load_params(overlays, overrides)
    if not params.report.seconds:
        raise ParamsError("report.seconds: must be > 0 to make a report, got 0")
    with interruptible():
        from charrnn.generation.writer import writes_lines
        from charrnn.report.contents import measure
        from charrnn.report.page import render
        from charrnn.report.subject import Subject
    checkpoint = find_checkpoint(params, wanted)
    history, splits = _history(params, wanted, checkpoint), find_splits(params, checkpoint)
    if splits is None and given is None:
        raise CorpusError(
            f"{wanted}: its encoded text (digest {checkpoint.data_digest[:12] or 'unknown'}) is not in "
            f"{params.data.directory}; give a text that it was not trained on with --text"
        )
    documents: str | Sequence[str] | None = given
    if given is not None and checkpoint.params.data.has_documents:
        whole = given.removesuffix("\n")
        documents = whole.split("\n") if writes_lines(checkpoint.vocabulary, checkpoint.params.data) else [whole]
    name = "" if text is None else name_of(text)
    try:
        subject = Subject(wanted, checkpoint, splits, history, documents, name)
        contents = measure(subject, params.report.seconds, started)
    except DivergedError as error:
        raise DivergedError(f"{wanted}: {error}") from None
    page = render(contents)
    write_text(Path(output), page)
    result = f"{contents.reading.bits_per_character:.3f} bits per character on the text that was read"
    print(f"{output}: {len(page) / 1e6:.1f} MB, made in {time.monotonic() - started:.1f} s; {result}")
    return 0


def _history(params: Params, wanted: str, checkpoint: "Checkpoint") -> "History | None":
    """Return what the run of the model has recorded; None where that is not at hand, or the model is a file."""
    if kind_of(wanted) == "file" or not checkpoint.run_id:
        return None
    from tasks.tracking.history import history_of
    from tasks.tracking.mlflow import Experiment

    try:
        return history_of(Experiment(params.tracking, params.data).find_run(checkpoint.run_id))
    except TrackingError:
        return None  # trained elsewhere, or deleted for good
