"""Whether the texts of two runs are one, by what the runs keep of them in a real store."""

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from charrnn.config.schema import Params
from charrnn.data.corpus import fetch_corpus
from charrnn.data.dataset import encode_corpus
from charrnn.data.lineage import Lineage
from tasks.tracking.mlflow import read_kinship, read_lineage
from tasks.tracking.runs import CORPUS_TAG, DATA_TAG, LINEAGE_FILE, PARAMS_FILE, RunRef
from tests.texts import made_up_play
from tests.workplace import start_run

HASHES = np.arange(100, dtype=np.uint64)


@pytest.fixture
def client(store: Params) -> MlflowClient:
    return MlflowClient(tracking_uri=str(store.tracking.uri))


def run_of(store: Params, client: MlflowClient, content: bytes = b"", **tags: str) -> RunRef:
    """Return a run with tags, and with a lineage file where there is `content`."""
    run = start_run(store, "a run", {CORPUS_TAG if key == "corpus" else DATA_TAG: tags[key] for key in tags})
    if content:
        path = run.checkpoints.parent / LINEAGE_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        client.log_artifact(run.run_id, str(path))
    return run


def lineage(hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> bytes:
    return Lineage(False, hashes, hashes[:90], hashes[90:]).to_bytes()


def test_lineages_tell_before_digests_do(store: Params, client: MlflowClient) -> None:
    before = run_of(store, client, lineage(HASHES), data="1", corpus="1")
    grown = run_of(store, client, lineage(np.arange(120, dtype=np.uint64)), data="2", corpus="2")
    other = run_of(store, client, lineage(HASHES + np.uint64(50)), data="1", corpus="1")
    found = read_kinship(grown, before.run_id)
    assert found.text == "one"
    assert found.theirs is not None
    assert found.theirs.text.tolist() == HASHES.tolist()
    assert read_kinship(other, before.run_id).text == "another"


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ({"data": "1"}, "one"),
        ({"data": "2", "corpus": "3"}, "one"),  # the same file, read with another vocabulary
        ({"data": "2"}, "another"),
        ({}, "unknown"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"damaged"])
def test_without_lineages_digests_tell(
    store: Params, client: MlflowClient, before: dict[str, str], text: str, content: bytes
) -> None:
    run = run_of(store, client, lineage(HASHES), data="1", corpus="3")
    found = read_kinship(run, run_of(store, client, content, **before).run_id)
    assert (found.text, found.theirs) == (text, None)


@pytest.mark.parametrize("run_id", ["", "0" * 32])
def test_of_a_run_that_is_not_there_nothing_is_known(store: Params, client: MlflowClient, run_id: str) -> None:
    run = run_of(store, client, lineage(HASHES), data="1")
    assert read_kinship(run, run_id).text == "unknown"


def test_a_run_that_has_kept_none_is_known_by_its_encoded_text(
    store: Params, client: MlflowClient, tmp_path: Path
) -> None:
    source = tmp_path / "a play.txt"
    source.write_text(made_up_play(20_000), encoding="utf-8")
    data = store.data.model_copy(update={"sources": (str(source),)})
    dataset = encode_corpus(fetch_corpus(data), data)
    run = run_of(store, client, data=dataset.digest)
    assert read_lineage(run, run.run_id) is None  # it has not kept its parameters
    client.log_text(run.run_id, "splits: {test_fraction: 0.5, val_fraction: 0}", PARAMS_FILE)
    found = read_lineage(run, run.run_id)
    assert found is not None
    assert len(found.held_out) == pytest.approx(len(found.train), rel=0.2)
