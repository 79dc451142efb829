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


def version_of(client: MlflowClient, run: RunRef | None, **tags: str) -> str:
    """Return a new version of the model `text`, of `run`, with tags."""
    if not client.search_registered_models("name = 'text'"):
        client.create_registered_model("text")
    named = {CORPUS_TAG if key == "corpus" else DATA_TAG: tags[key] for key in tags}
    return str(client.create_model_version("text", "runs:/x", run.run_id if run else "0" * 32, tags=named).version)


def lineage(hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> bytes:
    return Lineage(False, hashes, hashes[:90], hashes[90:]).to_bytes()


def test_lineages_tell_before_digests_do(store: Params, client: MlflowClient) -> None:
    before = run_of(store, client, lineage(HASHES), data="1", corpus="1")
    grown = run_of(store, client, lineage(np.arange(120, dtype=np.uint64)), data="2", corpus="2")
    other = run_of(store, client, lineage(HASHES + np.uint64(50)), data="1", corpus="1")
    version = version_of(client, before)
    found = read_kinship(grown, "text", version)
    assert found.text == "one"
    assert found.theirs is not None
    assert found.theirs.text.tolist() == HASHES.tolist()
    assert read_kinship(other, "text", version).text == "another"


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ({"data": "1"}, "one"),
        ({"data": "2", "corpus": "3"}, "one"),  # the same file, read with another vocabulary
        ({"data": "2"}, "unknown"),  # the text may have grown
        ({}, "unknown"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"damaged"])
def test_without_lineages_digests_tell(
    store: Params, client: MlflowClient, before: dict[str, str], text: str, content: bytes
) -> None:
    run = run_of(store, client, lineage(HASHES), data="1", corpus="3")
    found = read_kinship(run, "text", version_of(client, run_of(store, client, content, **before)))
    assert (found.text, found.theirs) == (text, None)


@pytest.mark.parametrize(("tags", "text"), [({"data": "1"}, "one"), ({"data": "2"}, "unknown"), ({}, "unknown")])
def test_of_a_version_whose_run_is_gone_its_own_digests_tell(
    store: Params, client: MlflowClient, tags: dict[str, str], text: str
) -> None:
    run = run_of(store, client, lineage(HASHES), data="1")
    assert read_kinship(run, "text", version_of(client, None, **tags)).text == text


@pytest.mark.parametrize("content", [b"", b"damaged"])
def test_a_run_that_has_kept_none_or_a_damaged_one_is_known_by_its_encoded_text(
    store: Params, client: MlflowClient, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    source = tmp_path / "a play.txt"
    source.write_text(made_up_play(20_000), encoding="utf-8")
    data = store.data.model_copy(update={"sources": (str(source),)})
    dataset = encode_corpus(fetch_corpus(data), data)
    run = run_of(store, client, content, data=dataset.digest)
    assert read_lineage(run, run.run_id) is None  # it has not kept its parameters
    client.log_text(run.run_id, "splits: {test_fraction: 0.5, val_fraction: 0}", PARAMS_FILE)
    found = read_lineage(run, run.run_id)
    assert found is not None
    assert ("lineage.safetensors cannot be read: lineage: is damaged" in caplog.text) == bool(content)
    assert len(found.held_out) == pytest.approx(len(found.train), rel=0.2)
