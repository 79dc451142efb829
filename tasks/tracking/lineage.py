"""What a run keeps of its text, so that later versions can be compared with its own: hashes as a file, digests as tags.

The digests become tags of the registered version, too.
"""

import logging
import tempfile
from pathlib import Path

from charrnn.data.hashing import Hashes
from charrnn.data.lineage import trace
from charrnn.data.splits import Splits
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import TrackingError
from charrnn.files import write_bytes
from tasks.tracking.mlflow import read_lineage
from tasks.tracking.runs import LINEAGE_FILE, SPLIT_TAG
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
