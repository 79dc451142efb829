"""Versions that wait for a person's yes before they become the champion: kept as a tag of the run, then settled.

Whoever asks the person, a flow or a command line, settles it here.
"""

import json
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter, ValidationError

from charrnn.config.redaction import redact
from charrnn.data.vocabulary import printable
from charrnn.errors import TrackingError
from charrnn.generation.formats import as_line
from tasks.tracking.mlflow import Store, alias_version, describe_version, run_tag, set_alias, set_tags
from tasks.tracking.naming import CHAMPION
from tasks.tracking.runs import PROMOTION_TAG, WAITING_TAG, RunRef

LONGEST_REASON = 500


@dataclass(frozen=True)
class Waiting:
    """A version that is better than the champion and waits for a person's yes.

    Attributes:
        name: of the registered model.
        version: the one that waits.
        champion: the version that it was compared with; '' where there was none.
        figures: how they compare, in one sentence.
    """

    name: str
    version: str
    champion: str
    figures: str

    def to_tag(self) -> str:
        """Return the value of the run's tag."""
        return json.dumps(asdict(self))


_WAITING = TypeAdapter(Waiting)


def waiting_version(run: RunRef) -> Waiting | None:
    """Return the version of the run that waits for a yes; None where none does. Raises TrackingError."""
    tag = run_tag(run, WAITING_TAG)
    try:
        return _WAITING.validate_json(tag) if tag else None
    except ValidationError:
        raise TrackingError(f"run {run.run_id}: its tag {WAITING_TAG} is damaged") from None


def settle(run: RunRef, waiting: Waiting, approved: bool, reason: str) -> str:
    """Make the version that waits the champion, or not; return what was decided, in one sentence.

    Args:
        run: the run of the version.
        waiting: the version.
        approved: whether the person said yes.
        reason: who said so, and why.

    Raises:
        TrackingError: another version has become the champion meanwhile, with which nobody has compared this one; or
            the store does not answer.
    """
    store = Store(run.uri)
    now = alias_version(store, waiting.name, CHAMPION)
    overtaken = approved and now not in (waiting.champion, waiting.version)
    since = f"version {now} is the champion now" if now else f"version {waiting.champion} is the champion no more"
    if overtaken:
        decision = f"stands without the alias: {since}"
    elif approved:
        decision = f"champion: {as_reason(reason)}"
    elif now == waiting.version:
        decision = f"was the champion already: {as_reason(reason)}"
    else:
        decision = f"{f'stays behind version {now}' if now else 'is not the champion'}: {as_reason(reason)}"
    decision = f"{decision}; {waiting.figures}"
    # The tags last: until then, the answer can be carried out again.
    if approved and not overtaken:
        set_alias(store, waiting.name, waiting.version, CHAMPION)
    describe_version(store, waiting.name, waiting.version, decision)
    set_tags(run, {PROMOTION_TAG: decision, WAITING_TAG: ""})
    if overtaken:
        before = f"was compared with version {waiting.champion}" if waiting.champion else "was to be the first champion"
        raise TrackingError(
            f"{waiting.name} version {waiting.version}: {before}, but {since}; "
            "to make it the champion all the same: "
            f"charrnn promote {waiting.name} {waiting.version}"
        )
    return decision


def as_reason(text: str) -> str:
    """Return what a person wrote as one line of at most LONGEST_REASON characters, without credentials."""
    line = "".join(
        character if character.isprintable() else printable(character) for character in as_line(redact(text))
    )
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"
