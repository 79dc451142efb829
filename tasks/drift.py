"""Task: compare the text with that of the champion, before anything is trained on it."""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.redaction import redact
from charrnn.config.schema import AUTO, DEFAULT_MODEL, Params
from charrnn.data.corpus import Corpus
from charrnn.data.dataset import Dataset
from charrnn.data.lineage import TextBlocks, text_blocks
from charrnn.data.positions import Positions
from charrnn.data.profile import Profile, profile
from charrnn.data.splits import Splits
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, DriftError, TrackingError
from charrnn.evaluation.bootstrap import span_losses
from charrnn.evaluation.drift import MIN_NEW, Drift, NewPart, compare
from charrnn.files import write_bytes
from charrnn.training.device import reading
from tasks.events import announce
from tasks.tracking.lineage import read_profile
from tasks.tracking.mlflow import Store, find_champions, read_lineage
from tasks.tracking.naming import model_suffix
from tasks.tracking.runs import DRIFT_TAG, NO_DRIFT, PROFILE_FILE, Champion, RunRef
from tasks.tracking.tracker import Tracker
from tasks.tracking.trained_models import load_registered

logger = logging.getLogger("charrnn")

MOST_NEW = 100_000
"""Characters of what is new that the champion is evaluated on, at most: a second of computing."""

_BETWEEN = "; "  # what is beyond the limits, in one tag


@dataclass(frozen=True)
class _Text:
    """Today's text.

    Attributes:
        name: what it is called.
        source: where it came from, as in the tag of a run.
        splits: its ids and their splits.
        vocabulary: of the ids.
        blocks: its blocks or documents.
    """

    name: str
    source: str
    splits: Splits
    vocabulary: Vocabulary
    blocks: TextBlocks


@task(cache_policy=NO_CACHE)
def drift(corpus: Corpus, dataset: Dataset, params: Params, run: RunRef, text: str) -> None:
    """Compare the text with that of the champion that a model of it would contest, and keep what is counted of it.

    A run that goes on is not compared again: the champion may be another one by now.

    Args:
        corpus: the text, as it was fetched.
        dataset: the same, encoded.
        params: of the run.
        run: gets the profile, a table, a picture, metrics and, as a tag, what is beyond the limits.
        text: what the text is called.

    Raises:
        DriftError: something is beyond the limits, and `drift.action` is stop.
    """
    tracker = Tracker(run)
    try:
        found = tracker.tag(DRIFT_TAG)
    except TrackingError:
        found = ""
    if not found:
        splits, vocabulary = dataset.splits(params.splits), dataset.vocabulary()
        blocks = text_blocks(splits, vocabulary, dataset.hashes())
        now = profile(splits.text, vocabulary, blocks.repeated_share())
        # Whether or not it is compared: the text of a later run is compared with it.
        _keep(tracker, PROFILE_FILE, now.to_bytes())
        if params.drift.action != "ignore" and params.tracking.registered_model is not None:
            found = _find(_Text(text, redact(corpus.source), splits, vocabulary, blocks), now, params, tracker)
    if found in ("", NO_DRIFT) or params.drift.action == "ignore":
        return
    if params.drift.action == "stop":
        raise DriftError(
            f"drift.action stop: the text {found}; to train on it all the same: --resume {run.run_id} --set "
            "drift.action=warn"
        )
    for finding in found.split(_BETWEEN):
        logger.warning("warning   the text %s", finding)


def _find(text: _Text, now: Profile, params: Params, tracker: Tracker) -> str:
    """Compare the text with that of the champion; return what the run's tag says, '' where nothing was compared."""
    try:
        findings = _compare(text, now, params, tracker)
    except TrackingError as error:
        logger.warning("warning   the text is not compared with that of the champion: %s", error)
        return ""
    if findings is None:
        return ""
    found = _BETWEEN.join(findings) or NO_DRIFT
    tracker.tags({DRIFT_TAG: found})
    if findings:
        announce("drift", tracker.run, f"The text {found}.")
    return found


def _compare(text: _Text, now: Profile, params: Params, tracker: Tracker) -> list[str] | None:
    """Return what is beyond the limits; None where there is no champion, or nothing was counted of its text."""
    champion = _champion(text, params.tracking.registered_model or AUTO, tracker.run)
    if champion is None:
        return None
    of_champion = f"version {champion.version} of {champion.name}"
    before = read_profile(tracker.run, champion.run_id)
    if before is None:
        logger.info("drift     not compared with the text of %s, of which nothing was counted", of_champion)
        return None
    drifted = compare(before, now, _new_part(text, params, tracker.run, champion), params.drift)
    _log(tracker, drifted, of_champion)
    return drifted.findings


def _champion(text: _Text, model: str, run: RunRef) -> Champion | None:
    """Return the champion of the text: of the model that was named, or whose text is in it, or else has its source."""
    store = Store(run.uri)
    if model != AUTO:
        return next(iter(find_champions(store, model, "")), None)
    ours = text.blocks.lineage()
    found = find_champions(store, DEFAULT_MODEL, model_suffix(text.name))
    for one in found:
        if (theirs := read_lineage(run, one.run_id)) and ours.contains(theirs):
            return one
    return next((one for one in found if one.source == text.source), None)


def _new_part(text: _Text, params: Params, run: RunRef, champion: Champion) -> NewPart:
    """Return what is new in the text, and how well the champion predicts it."""
    theirs = read_lineage(run, champion.run_id)
    if theirs is None or theirs.documents != text.blocks.documents:
        return NewPart(0)
    spans = text.blocks.new_part(theirs)
    characters = int((spans[:, 1] - spans[:, 0]).sum())
    if characters < MIN_NEW:
        return NewPart(characters)
    try:
        model = load_registered(Store(run.uri), f"{champion.name}/{champion.version}")
    except (CheckpointError, TrackingError) as error:
        logger.warning("warning   the champion's loss on what is new is not known: %s", error)
        return NewPart(characters)
    with reading(params.training, model.threads):
        losses = span_losses(model.model(), model.vocabulary, text.splits, text.vocabulary, _first(spans, MOST_NEW))
    return NewPart(characters, float(losses.mean()), champion.loss)


def _first(spans: Positions, most: int) -> Positions:
    """Return the first of `spans`, (spans, 2), with at most `most` ids in all: the last of them is cut."""
    until = np.cumsum(spans[:, 1] - spans[:, 0])
    taken = spans[: int(np.searchsorted(until, most)) + 1].copy()
    taken[-1, 1] -= max(0, int(until[len(taken) - 1]) - most)
    return taken


def _log(tracker: Tracker, drifted: Drift, champion: str) -> None:
    for key, value in drifted.metrics.items():
        tracker.metric(key, value, step=0)
    tracker.table(drifted.to_frame(), "drift/comparison.json")
    # Imported here: Matplotlib takes 30 MB, and most runs have nothing to compare.
    from charrnn.evaluation.plots import drift_bars

    _keep(tracker, "drift/comparison.png", drift_bars(drifted, f"today's text against that of {champion}"))
    figures = {one.name: one for one in drifted.measures}
    far = figures["distance_5grams"]
    logger.info(
        "drift     %.2f times the text of %s, %s characters are new, 5-grams at a distance of %.3f (its halves: %.3f)",
        figures["size"].now,
        champion,
        f"{figures['new_characters'].now:,.0f}",
        far.now,
        far.before or 0.0,
    )


def _keep(tracker: Tracker, path: str, content: bytes) -> None:
    folder, _, name = path.rpartition("/")
    with tempfile.TemporaryDirectory() as temporary:
        write_bytes(Path(temporary) / name, content)
        tracker.file(Path(temporary) / name, folder)
