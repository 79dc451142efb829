"""Task: make the new version of the registered model the champion, the one that is served, if it is better.

A champion is contested by models of its own text, or of a text that contains it, and by no others.
"""

import logging
from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.redaction import one_line
from charrnn.config.schema import Params
from charrnn.data.dataset import Dataset
from charrnn.data.lineage import Ground, common_ground, held_out_part
from charrnn.data.positions import Positions
from charrnn.errors import CharrnnError, CheckpointError
from charrnn.evaluation.bootstrap import BLOCK_CHARACTERS, Verdict, compare, span_losses
from charrnn.training.device import reading
from tasks.events import announce
from tasks.tracking.approval import Waiting
from tasks.tracking.checkpoints import load_from_run
from tasks.tracking.mlflow import (
    Store,
    alias_version,
    describe_version,
    model_versions,
    read_kinship,
    set_alias,
    set_tags,
)
from tasks.tracking.naming import CHAMPION
from tasks.tracking.runs import (
    DRIFT_TAG,
    NO_DRIFT,
    PARENT_TEXT_TAG,
    PROMOTION_TAG,
    WAITING_TAG,
    ModelVersion,
    RunRef,
)
from tasks.tracking.tracker import Tracker
from tasks.tracking.trained_models import load_registered

logger = logging.getLogger("charrnn")


@dataclass(frozen=True)
class Promotion:
    """Whether the new version is the champion now, and why, in one sentence.

    Attributes:
        promoted: whether it is.
        reason: why.
        waiting: the version, where it would be but for a person's approval.
    """

    promoted: bool
    reason: str
    waiting: Waiting | None = None


# How the reason begins where the store, or what it keeps, could not be read.
UNDECIDED = "undecided"
# Held-out characters that are enough to compare on, where they are only a part of what was held out.
FEWEST = 2 * BLOCK_CHARACTERS


@task(cache_policy=NO_CACHE)
def promote(dataset: Dataset, params: Params, run: RunRef, version: ModelVersion | None) -> Promotion | None:
    """Compare the new version with the champion on held-out text, and give it the champion's alias if it is better.

    Returns:
        What was decided; None where nothing was registered, `tracking.promotion` is never, or the tracking store
        failed.
    """
    if version is None or not version.number or params.tracking.promotion == "never":
        return None
    store, name, number = Store(run.uri), version.name, version.number
    try:
        while True:
            champion = alias_version(store, name, CHAMPION)
            if champion == number:
                before = Tracker(run).tag(PROMOTION_TAG)
                return Promotion(True, before or f"champion: version {number} was it already")
            promotion = _contest(dataset, params, run, version, champion) if champion else _unopposed(run, version)
            # Models are compared for a while: another run may have promoted its own meanwhile.
            if not promotion.promoted or alias_version(store, name, CHAMPION) == champion:
                break
        if promotion.promoted and params.tracking.promotion == "approval":
            promotion = _waits(run, Waiting(name, number, champion, promotion.reason.removeprefix("champion: ")))
        # The alias last: where this process dies before, the task does all of it again. Not through the outbox, either:
        # a person may answer before that is empty.
        describe_version(store, name, number, promotion.reason)
        waiting = promotion.waiting.to_tag() if promotion.waiting else ""
        set_tags(run, {PROMOTION_TAG: promotion.reason, WAITING_TAG: waiting})
        if promotion.promoted:
            set_alias(store, name, number, CHAMPION)
            announce("promoted", run, f"{name} version {number} is the champion. {promotion.reason}")
    except CharrnnError as error:
        # This must not fail the run: `charrnn promote` can choose the champion later.
        logger.warning("warning   the champion stays as it is: %s", error)
        # Through the outbox, since the store may be away: nobody reads the log of a run at night.
        Tracker(run).tags({PROMOTION_TAG: f"{UNDECIDED}: {one_line(str(error))}"})
        return None
    logger.info("promote   %s", promotion.reason)
    return promotion


def _unopposed(run: RunRef, version: ModelVersion) -> Promotion:
    """Decide whether a version becomes the champion of a model that has none: not where its text is a bad download."""
    if Tracker(run).tag(DRIFT_TAG) not in ("", NO_DRIFT):
        by_hand = f"to make this version the champion: charrnn promote {version.name} {version.number}"
        return Promotion(False, f"stands without the alias, since its text has drifted; {by_hand}")
    is_first = {number for number, _ in model_versions(Store(run.uri), version.name)} <= {int(version.number)}
    return Promotion(True, "champion: the first one" if is_first else "champion: there was none")


def _waits(run: RunRef, waiting: Waiting) -> Promotion:
    how = f"charrnn promote --approve {run.run_id}"
    return Promotion(False, f"waits for approval, {how}: {waiting.figures}", waiting)


def _contest(dataset: Dataset, params: Params, run: RunRef, version: ModelVersion, champion: str) -> Promotion:
    """Decide between the run's best checkpoint and version `champion` of the same model."""
    behind = f"stays behind version {champion}"
    by_hand = f"to make this version the champion: charrnn promote {version.name} {version.number}"
    kinship = read_kinship(run, version.name, champion)
    if kinship.text != "one":
        text = "is another one" if kinship.text == "another" else "is not known"
        return Promotion(False, f"{behind}, whose text {text}; {by_hand}")
    if Tracker(run).tag(PARENT_TEXT_TAG):
        return Promotion(False, f"{behind}: what it started from may have been trained on its text; {by_hand}")
    splits, vocabulary, hashes = dataset.splits(params.splits), dataset.vocabulary(), dataset.hashes()
    part = held_out_part(splits)
    if part is None:
        return Promotion(False, f"{behind}: there is no test or validation split to compare on")
    ground = Ground.whole(splits)
    if kinship.ours and kinship.theirs:
        ground = common_ground(splits, vocabulary, hashes, kinship.ours, kinship.theirs)
    size = _size(ground.clean)
    if size < FEWEST and not ground.is_whole:
        few = f"only {size:,} held-out characters that neither was trained on, {FEWEST:,} are needed"
        return Promotion(False, f"{behind}: {few}; {by_hand}")
    try:
        theirs = load_registered(Store(run.uri), f"{version.name}/{champion}")
    except CheckpointError as error:
        return Promotion(False, f"{behind}, which cannot be compared with: {error}")
    ours = load_from_run(run)

    def verdict(spans: Positions) -> Verdict:
        challenger, current = (
            span_losses(one.model(), one.vocabulary, splits, vocabulary, spans) for one in (ours, theirs)
        )
        return compare(challenger, current)

    with reading(params.training, ours.threads):
        clean = verdict(ground.clean)
        own = verdict(ground.champions) if not ground.is_whole and _size(ground.champions) >= 2 else None
    where = f"the same {part} text" if ground.is_whole else f"{size:,} held-out characters that neither was trained on"
    return _decide(params.tracking.promotion_confidence, champion, clean, own, where, ground.trained_on)


def _decide(
    wanted: float, champion: str, clean: Verdict, own: Verdict | None, where: str, trained_on: float
) -> Promotion:
    """Decide: better on `clean` with the confidence that is wanted, and on the champion's `own` text not worse.

    Args:
        wanted: the confidence.
        champion: the version.
        clean: on text that neither model was trained on.
        own: on the text that was held out from the champion; None where `clean` is that, or there is none.
        where: what `clean` is on, in words.
        trained_on: share of that text that the challenger was trained on.
    """
    figures = (
        f"{clean.challenger:.4f} against {clean.champion:.4f} nats of version {champion} on {where}, better with "
        f"confidence {clean.confidence:.3f}"
    )
    own_text = ""
    if own:
        seen = f" ({trained_on:.0%} of it in this model's training text)" if trained_on else ""
        own_text = f"; {own.challenger:.4f} against {own.champion:.4f} on the champion's held-out text{seen}"
    if clean.confidence < wanted:
        return Promotion(False, f"stays behind version {champion}: {figures} ({wanted:g} is asked for){own_text}")
    if own and own.challenger > own.champion:
        return Promotion(False, f"stays behind version {champion}: worse on its own ground: {figures}{own_text}")
    return Promotion(True, f"champion: {figures} (at least {wanted:g} is asked for){own_text}")


def _size(spans: Positions) -> int:
    return int((spans[:, 1] - spans[:, 0]).sum())
