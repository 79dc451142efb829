"""What a run keeps of its text, so that later versions can be compared with its own: hashes as a file, digests as tags.

The digests become tags of the registered version, too.
"""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

from charrnn.data.hashing import Hashes
from charrnn.data.lineage import Lineage, trace
from charrnn.data.profile import Profile
from charrnn.data.splits import Splits
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError, TrackingError
from charrnn.files import write_bytes
from tasks.tracking.mlflow import download_artifact, read_lineage, run_at, run_tag
from tasks.tracking.runs import LINEAGE_FILE, PARENT_TEXT_TAG, PROFILE_FILE, SPLIT_TAG, RunRef
from tasks.tracking.tracker import Tracker
from tasks.tracking.trained_models import Origin

logger = logging.getLogger("charrnn")


def record_lineage(
    tracker: Tracker, splits: Splits, vocabulary: Vocabulary, hashes: Hashes, origin: Origin | None
) -> None:
    """Log the lineage of the run.

    Args:
        tracker: of the run.
        splits: of its text.
        vocabulary: of its text.
        hashes: (documents,) of its documents; (0,) for a stream.
        origin: the model whose weights it starts from; None for none.
    """
    lineage = trace(splits, vocabulary, hashes)
    if origin:
        before = _lineage_of(tracker.run, origin)
        if before and before.documents == lineage.documents:
            lineage = lineage.after(before)
            tracker.tags({PARENT_TEXT_TAG: ""})
        else:
            logger.warning("warning   what %s was trained on is not known: it replaces no champion", origin.reference)
            tracker.tags({PARENT_TEXT_TAG: "unknown"})
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / LINEAGE_FILE
        write_bytes(path, lineage.to_bytes())
        tracker.file(path)
    tracker.tags({SPLIT_TAG: lineage.split})


def _lineage_of(run: RunRef, origin: Origin) -> Lineage | None:
    """Return the lineage of the model that a run starts from; None where it is not known."""
    try:
        if origin.run_id and run_tag(replace(run, run_id=origin.run_id), PARENT_TEXT_TAG):
            return None  # nor is that of the model which that one started from
        return read_lineage(run, origin.run_id)
    except TrackingError as error:
        logger.warning("warning   the run of %s cannot be read: %s", origin.reference, error)
        return None


def read_profile(run: RunRef, run_id: str) -> Profile | None:
    """Return the profile of the text of run `run_id` of the store of `run`; None where it has kept none.

    Raises:
        TrackingError: the store does not answer.
    """
    if not run_id:
        return None
    with tempfile.TemporaryDirectory() as temporary:
        path = download_artifact(run_at(run.uri, run_id, run.data), PROFILE_FILE, Path(temporary))
        try:
            return Profile.from_bytes(path.read_bytes()) if path else None
        except CorpusError as error:
            raise TrackingError(f"run {run_id}: {error}") from None
