"""`charrnn report`: what a trained model has learnt, as one page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.folder import DataFolder
from charrnn.errors import CorpusError, DivergedError, FileError, ParamsError, TrackingError
from charrnn.files import write_text
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible
from flows.cli.given import MODEL, name_of, read_text
from tasks.tracking.naming import kind_of

if TYPE_CHECKING:
    from charrnn.data.splits import Splits
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
    given = None if text is None else read_text(text, "the text")
    params = load_params(overlays, overrides)
    if not params.report.seconds:
        raise ParamsError("report.seconds: must be > 0 to make a report, got 0")
    with interruptible():
        from charrnn.generation.writer import Writer
        from charrnn.report.contents import measure
        from charrnn.report.page import render
        from charrnn.report.subject import Subject
    checkpoint, history = _find(params, wanted)
    splits = _splits(params, checkpoint)
    if splits is None and given is None:
        raise CorpusError(
            f"{wanted}: its encoded text (digest {checkpoint.data_digest[:12] or 'unknown'}) is not in "
            f"{params.data.directory}; give a text that it was not trained on with --text"
        )
    documents: str | Sequence[str] | None = given
    if given is not None and checkpoint.params.data.has_documents:
        writer = Writer(checkpoint.model(), checkpoint.vocabulary, checkpoint.params.data)
        whole = given.removesuffix("\n")
        documents = whole.split("\n") if writer.of_lines else [whole]
    name = "" if text is None else name_of(text)
    try:
        contents = measure(Subject(wanted, checkpoint, splits, history, documents, name), params.report.seconds)
    except DivergedError as error:
        raise DivergedError(f"{wanted}: {error}") from None
    page = render(contents)
    write_text(Path(output), page)
    result = f"{contents.reading.bits_per_character:.3f} bits per character on the text that was read"
    print(f"{output}: {len(page) / 1e6:.1f} MB, made in {contents.seconds:.1f} s; {result}")
    return 0


def _find(params: Params, wanted: str) -> "tuple[Checkpoint, History | None]":
    """Return the model that is called `wanted`, and what its run has recorded if that is at hand."""
    from charrnn.training.checkpoint import load_checkpoint

    if kind_of(wanted) == "file":
        # Without MLflow, whose import takes seconds.
        return load_checkpoint(Path(wanted)), None
    with interruptible():
        from tasks.tracking.history import history_of
        from tasks.tracking.mlflow import Experiment
        from tasks.tracking.trained_models import find_model
    experiment = Experiment(params.tracking, params.data)
    checkpoint = find_model(experiment, wanted).checkpoint
    try:
        return checkpoint, history_of(experiment.find_run(checkpoint.run_id)) if checkpoint.run_id else None
    except TrackingError:
        return checkpoint, None  # trained elsewhere, or deleted for good


def _splits(params: Params, checkpoint: "Checkpoint") -> "Splits | None":
    """Return the splits of the text that the model was trained on; None where that is not in the data folder."""
    from charrnn.data.dataset import find_encoded

    dataset = find_encoded(DataFolder(Path(params.data.directory)), checkpoint.data_digest)
    return None if dataset is None else dataset.splits(checkpoint.params.splits)
