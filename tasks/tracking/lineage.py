"""What a run keeps of its text, so that later versions can be compared with its own: hashes as a file, digests as tags.

The digests become tags of the registered version, too.
"""

import logging
import tempfile
from pathlib import Path

from charrnn.data.hashing import Hashes
from charrnn.data.lineage import trace
from charrnn.data.profile import Profile
from charrnn.data.splits import Splits
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError, TrackingError
from charrnn.files import write_bytes
from tasks.tracking.mlflow import download_artifact, read_lineage, run_at
from tasks.tracking.runs import LINEAGE_FILE, PROFILE_FILE, SPLIT_TAG, RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")


def record_lineage(tracker: Tracker, splits: Splits, vocabulary: Vocabulary, hashes: Hashes, parent: str) -> None:
    """Log the lineage of the run.

    Args:
        tracker: of the run.
        splits: of its text.
        vocabulary: of its text.
        hashes: (documents,) of its documents; (0,) for a stream.
        parent: id of the run whose weights it starts from; '' for none.
    """
    lineage = trace(splits, vocabulary, hashes)
    try:
        before = read_lineage(tracker.run, parent) if parent else None
    except TrackingError as error:
        # What the parent was trained on then counts as new to this model.
        logger.warning("warning   what run %s was trained on is not known: %s", parent, error)
        before = None
    if before:
        lineage = lineage.after(before)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / LINEAGE_FILE
        write_bytes(path, lineage.to_bytes())
        tracker.file(path)
    tracker.tags({SPLIT_TAG: lineage.split})


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
