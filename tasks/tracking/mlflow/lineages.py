"""The lineages of runs in the store: read, and whether the text of a run is that of a registered version."""

import logging
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.dataset import find_encoded
from charrnn.data.folder import DataFolder
from charrnn.data.lineage import Lineage, trace
from charrnn.errors import CharrnnError
from tasks.tracking.mlflow.store import Store
from tasks.tracking.runs import CORPUS_TAG, DATA_TAG, LINEAGE_FILE, PARAMS_FILE, RunRef

logger = logging.getLogger("charrnn")


@dataclass(frozen=True)
class Kinship:
    """How the text of a run relates to that of a registered version.

    Attributes:
        text: `one` where it is the same or contains the other, `another` where not, `unknown` where nothing is kept
            that would tell.
        ours: lineage of the run; None as below.
        theirs: lineage of the version's run; None where digests alone have told, or nothing has.
    """

    text: Literal["one", "another", "unknown"]
    ours: Lineage | None = None
    theirs: Lineage | None = None


def read_lineage(run: RunRef, run_id: str) -> Lineage | None:
    """Return the lineage of run `run_id` of the store of `run`; None where it is not known.

    A run of an earlier version has kept none, and that of another may be damaged; then its encoded text tells, if that
    is still in the data folder of `run`.

    Raises:
        TrackingError: the store does not answer.
    """
    return Store(run.uri).ask(_find, run_id, run.data)


def read_kinship(run: RunRef, name: str, version: str) -> Kinship:
    """Return how the text of `run` relates to that of a version of registered model `name`. Raises TrackingError."""
    return Store(run.uri).ask(lambda client: find_kinship(client, run, client.get_model_version(name, version)))


def find_kinship(client: MlflowClient, run: RunRef, version: ModelVersion) -> Kinship:
    """Return what `read_kinship` does."""
    ours, theirs = (_find(client, run_id, run.data) for run_id in (run.run_id, version.run_id or ""))
    if ours and theirs:
        return Kinship("one" if ours.contains(theirs) else "another", ours, theirs)
    # Other digests tell nothing: the text may have grown. Those of the version outlive its run.
    here, there = (
        found.data.tags if (found := run_or_none(client, one)) else {} for one in (run.run_id, version.run_id)
    )
    there = {**version.tags, **there}
    same = any(key in here and here[key] == there.get(key) for key in (DATA_TAG, CORPUS_TAG))
    return Kinship("one" if same else "unknown")


def _find(client: MlflowClient, run_id: str, data: DataFolder) -> Lineage | None:
    found = run_or_none(client, run_id)
    if found is None:
        return None
    with tempfile.TemporaryDirectory() as temporary, suppress(CharrnnError):
        if path := _download(client, run_id, LINEAGE_FILE, temporary):
            try:
                return Lineage.from_bytes(path.read_bytes())
            except (CharrnnError, OSError) as error:
                logger.warning("warning   run %s: %s cannot be read: %s", run_id, LINEAGE_FILE, error)
        dataset = find_encoded(data, found.data.tags.get(DATA_TAG, ""))
        if dataset and (path := _download(client, run_id, PARAMS_FILE, temporary)):
            splits = dataset.splits(load_params([path], base=Params()).splits)
            return trace(splits, dataset.vocabulary(), dataset.hashes())
    return None


def run_or_none(client: MlflowClient, run_id: str | None) -> Run | None:
    """Return the run; None where it was deleted for good, or where no `run_id` is given."""
    if not run_id:
        return None
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _download(client: MlflowClient, run_id: str, path: str, folder: str) -> Path | None:
    if path not in {item.path for item in client.list_artifacts(run_id)}:
        return None
    return Path(client.download_artifacts(run_id, path, folder))
