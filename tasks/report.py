"""Task: a page that shows what the best checkpoint has learnt, and its model card."""

import logging
import tempfile
import time
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.schema import Params
from charrnn.data.dataset import Dataset
from charrnn.errors import TrackingError
from charrnn.files import write_text
from charrnn.report.card import model_card
from charrnn.report.contents import Contents, measure
from charrnn.report.page import render
from charrnn.report.subject import History, Subject
from tasks.tracking.checkpoints import load_from_run
from tasks.tracking.history import history_of
from tasks.tracking.runs import REPORT, RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")


@task(cache_policy=NO_CACHE)
def report(dataset: Dataset, params: Params, run: RunRef) -> str:
    """Log `report/report.html` and `report/model_card.md` of the best checkpoint.

    A report that fails does not fail the run: there is one warning.

    Returns:
        The model card in Markdown; '' where there is none.
    """
    if not params.report.seconds:
        return ""
    try:
        return _report(dataset, params, run)
    except Exception as error:
        # Whatever it is: the model is trained, and `charrnn report` can make the page later.
        logger.warning("warning   there is no report: %s", error or type(error).__name__)
        return ""


def _report(dataset: Dataset, params: Params, run: RunRef) -> str:
    started = time.monotonic()
    splits, tracker = dataset.splits(params.splits), Tracker(run)
    if splits.held_out is None:
        logger.info("report    none: there is no validation or test split to read")
        return ""
    subject = Subject(f"run {run.run_id}", load_from_run(run), splits, _history(tracker))
    contents = measure(subject, params.report.seconds, started)
    card, page = model_card(contents), render(contents)
    with tempfile.TemporaryDirectory() as temporary:
        for name, text in (("report.html", page), ("model_card.md", f"# Model card\n\n{card}\n")):
            write_text(Path(temporary) / name, text)
            tracker.file(Path(temporary) / name, REPORT)
    logger.info("report    %s", _line(contents, time.monotonic() - started))
    return card


def _history(tracker: Tracker) -> History | None:
    """Return what the run has recorded so far; None while the store is away."""
    try:
        return None if tracker.wait(patience=0) else history_of(tracker.run)
    except TrackingError as error:
        logger.warning("warning   the report has no curves: %s", error)
        return None


def _line(contents: Contents, seconds: float) -> str:
    beyond = sum(found.is_beyond_chance for found in contents.found)
    return (
        f"made in {seconds:.1f} s: {len(contents.reading.bits):,} characters read, "
        f"{beyond} of {len(contents.found)} features of the text followed by a unit beyond chance"
    )
