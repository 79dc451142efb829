"""Whether a text has drifted away from the one that the champion was trained on. Knows neither files nor runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from charrnn.config.schema import DriftParams
from charrnn.data.profile import ORDER, Counts, Profile, distance
from charrnn.data.vocabulary import character_name, printable

MIN_UNSEEN = 20
"""Fewer occurrences of new characters than this say nothing: one foreign word has as many."""
MIN_NEW = 2_000
"""Fewer characters than this are too few to say how well the champion predicts what is new."""
SMALLEST_DISTANCE = 0.01
"""Two halves of a text that are nearer to each other than this are taken for this far apart."""


@dataclass(frozen=True)
class NewPart:
    """How well the champion predicts what its text had not.

    Attributes:
        characters: how many are new.
        loss: the champion's on them, or on the first of them (nats per character); None where it is not known.
        own_loss: the champion's on what was held out from it; None where it is not known.
    """

    characters: int
    loss: float | None = None
    own_loss: float | None = None


@dataclass(frozen=True)
class Measure:
    """One measure of both texts.

    Attributes:
        name: under which a run logs `now`, after `drift/`.
        before: of the champion's text, or what is usual; None where there is none.
        now: of today's text.
        limit: what `now` may be; None where it has no limit.
        finding: what is wrong, in words; '' where nothing is.
    """

    name: str
    before: float | None
    now: float
    limit: float | None
    finding: str = ""


@dataclass(frozen=True)
class Drift:
    """How today's text compares with the champion's.

    Attributes:
        measures: all that was compared.
        characters: the characters whose shares have changed most: each with its share before and now (0 to 1).
    """

    measures: Sequence[Measure]
    characters: Sequence[tuple[str, float, float]]

    @property
    def findings(self) -> list[str]:
        """What is beyond its limit, in words."""
        return [one.finding for one in self.measures if one.finding]

    @property
    def metrics(self) -> dict[str, float]:
        """What a run logs, by name."""
        return {f"drift/{one.name}": one.now for one in self.measures}

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each measure, figures with four decimals.

        MLflow's page shows the first four columns, and 18 characters of each.
        """
        rows = [(one.name, one.finding or "as usual", one.now, one.limit, one.before) for one in self.measures]
        return pd.DataFrame(rows, columns=["measure", "found", "today's text", "limit", "champion's text"]).round(4)


def compare(before: Profile, now: Profile, new: NewPart, limits: DriftParams, most: int = 12) -> Drift:
    """Compare two texts.

    Args:
        before: the champion's text.
        now: today's.
        new: what is new in it.
        limits: beyond which there is a finding.
        most: characters to name, of those whose shares have changed.
    """
    points = np.union1d(before.characters, now.characters)
    counts = [_spread(one, points) for one in (before, now)]
    measures = [
        _size(before, now, limits),
        _page(before, now),
        _unseen(before, now, limits),
        *_distances(before, now, counts, limits),
        _repeated(before, now, limits),
        Measure("new_characters", None, new.characters, None),
    ]
    if new.loss is not None and new.own_loss is not None and new.characters >= MIN_NEW:
        measures.append(_loss(new.loss, new.own_loss, limits))
    shares = [count / max(1, count.sum()) for count in counts]
    order = np.argsort(-np.abs(shares[1] - shares[0]), kind="stable")[:most]
    named = [(_shown(chr(points[at])), float(shares[0][at]), float(shares[1][at])) for at in order.tolist()]
    return Drift(measures, named)


def _spread(profile: Profile, points: Counts) -> Counts:
    """Return how often each of the code points occurs: (points,)."""
    counts = np.zeros(len(points), dtype=np.int64)
    counts[np.searchsorted(points, profile.characters)] = profile.counts
    return counts


def _shown(character: str) -> str:
    return character if character.isprintable() and not character.isspace() else character_name(character)


def _size(before: Profile, now: Profile, limits: DriftParams) -> Measure:
    share = now.size / max(1, before.size)
    finding = ""
    if share < limits.min_size:
        finding = (
            f"has {now.size:,} characters, {share:.2f} times the {before.size:,} of the champion's: is it cut off? "
            f"(drift.min_size is {limits.min_size:g})"
        )
    return Measure("size", 1.0, share, limits.min_size, finding)


def _page(before: Profile, now: Profile) -> Measure:
    finding = "is a page of HTML, which the champion's is not" if now.page and not before.page else ""
    return Measure("html", float(before.page), float(now.page), None, finding)


def _unseen(before: Profile, now: Profile, limits: DriftParams) -> Measure:
    unseen = ~np.isin(now.characters, before.characters)
    number = int(now.counts[unseen].sum())
    share, finding = number / max(1, now.size), ""
    if number >= MIN_UNSEEN and share > limits.max_unseen:
        commonest = now.characters[unseen][np.argsort(-now.counts[unseen], kind="stable")[:5]]
        # Quoted, since semicolons stand between findings.
        named = ", ".join(f"'{printable(chr(point))}'" for point in commonest.tolist())
        finding = (
            f"has {share:.2%} characters that the champion's never has, such as {named} "
            f"(drift.max_unseen is {limits.max_unseen:g})"
        )
    return Measure("unseen", 0.0, share, limits.max_unseen, finding)


def _distances(before: Profile, now: Profile, counts: Sequence[Counts], limits: DriftParams) -> list[Measure]:
    found = []
    pairs = (("characters", counts[0], counts[1]), (f"{ORDER}-grams", before.grams, now.grams))
    for (what, one, other), usual, name in zip(pairs, before.halves, ("characters", "5grams"), strict=True):
        far = distance(one, other)
        limit = limits.max_distance * max(float(usual), SMALLEST_DISTANCE)
        finding = ""
        if far > limit:
            finding = (
                f"has {what} at a distance of {far:.3f} from the champion's, whose halves are at {usual:.3f} from each "
                f"other (drift.max_distance is {limits.max_distance:g} times that)"
            )
        found.append(Measure(f"distance_{name}", float(usual), far, limit, finding))
    return found


def _repeated(before: Profile, now: Profile, limits: DriftParams) -> Measure:
    limit = min(1.0, before.repeated + limits.max_repeated)
    finding = ""
    if now.repeated > limit:
        finding = (
            f"repeats itself: {now.repeated:.0%} of it was in it before, of the champion's {before.repeated:.0%} "
            f"(drift.max_repeated is {limits.max_repeated:g} more)"
        )
    return Measure("repeated", before.repeated, now.repeated, limit, finding)


def _loss(loss: float, own: float, limits: DriftParams) -> Measure:
    limit = own + limits.max_loss
    finding = ""
    if loss > limit:
        finding = (
            f"has a new part on which the champion's loss is {loss:.3f} nats per character, {own:.3f} on its own "
            f"held-out text (drift.max_loss is {limits.max_loss:g} more)"
        )
    return Measure("new_loss", own, loss, limit, finding)
