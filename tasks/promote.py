"""Task: make the new version of the registered model the champion, the one that is served, if it is better."""

import logging
from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.schema import Params
from charrnn.data.dataset import Dataset
from charrnn.data.splits import Splits
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, TrackingError
from charrnn.evaluation.bootstrap import Losses, compare, document_losses, text_losses
from charrnn.training.checkpoint import Checkpoint
from charrnn.training.device import reading
from tasks.tracking.checkpoints import load_from_run
from tasks.tracking.mlflow import Store, alias_version, describe_version, set_alias
from tasks.tracking.naming import CHAMPION
from tasks.tracking.runs import RunRef
from tasks.tracking.tracker import Tracker
from tasks.tracking.trained_models import load_registered

logger = logging.getLogger("charrnn")


@dataclass(frozen=True)
class Promotion:
    """Whether the new version is the champion now, and why, in one sentence."""

    promoted: bool
    reason: str


FIRST = Promotion(True, "champion: the first one")


@task(cache_policy=NO_CACHE)
def promote(dataset: Dataset, params: Params, run: RunRef, version: str) -> Promotion | None:
    """Compare the new version with the champion on the same text, and give it the champion's alias if it is better.

    Both are evaluated on this run's test split, or on its validation split where there is no test split.

    Returns:
        What was decided; None where nothing was registered, `tracking.promote` is off, or the tracking store failed.
    """
    name = params.tracking.registered_model
    if name is None or not version or not params.tracking.promote:
        return None
    store = Store(run.uri)
    try:
        champion = alias_version(store, name, CHAMPION)
        if champion == version:
            return Promotion(True, f"version {version} is the champion already")
        promotion = _compare(dataset, params, run, name, champion) if champion else FIRST
        describe_version(store, name, version, promotion.reason)
        if promotion.promoted:
            set_alias(store, name, version, CHAMPION)
    except TrackingError as error:
        # This must not fail the run: `charrnn promote` can choose the champion later.
        logger.warning("warning   the champion stays as it is: %s", error)
        return None
    Tracker(run).tags({"promotion": promotion.reason})
    logger.info("promote   %s", promotion.reason)
    return promotion


def _compare(dataset: Dataset, params: Params, run: RunRef, name: str, champion: str) -> Promotion:
    """Decide by a paired bootstrap between the run's best checkpoint and version `champion` of the model `name`."""
    splits = dataset.splits(params.splits)
    part = next((part for part in ("test", "val") if splits.sizes[part]), None)
    if part is None:
        return Promotion(False, f"stays behind version {champion}: there is no test or validation split to compare on")
    try:
        theirs = load_registered(Store(run.uri), f"{name}/{champion}")
    except CheckpointError as error:
        return Promotion(False, f"stays behind version {champion}, which cannot be compared with: {error}")
    ours = load_from_run(run)
    with reading(params.training, ours.threads):
        challenger, current = (_split_losses(one, dataset.vocabulary(), splits, part) for one in (ours, theirs))
        verdict = compare(challenger, current)
    figures = (
        f"{verdict.challenger:.4f} against {verdict.champion:.4f} nats of version {champion} on the same {part} text, "
        f"better with confidence {verdict.confidence:.3f}"
    )
    wanted = params.tracking.promotion_confidence
    if verdict.confidence >= wanted:
        return Promotion(True, f"champion: {figures} (at least {wanted:g} is asked for)")
    return Promotion(False, f"stays behind version {champion}: {figures} ({wanted:g} is asked for)")


def _split_losses(checkpoint: Checkpoint, vocabulary: Vocabulary, splits: Splits, part: str) -> Losses:
    """Return the losses of the model in `checkpoint` on the split `part`, whose ids are of `vocabulary`."""
    if splits.documents is None:
        return text_losses(checkpoint.model(), checkpoint.vocabulary, vocabulary.decode(splits.ids(part)[:]))
    documents = [vocabulary.decode(splits.text[start:end]) for start, end in splits.spans[part].tolist()]
    return document_losses(checkpoint.model(), checkpoint.vocabulary, documents)
