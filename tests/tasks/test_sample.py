"""The texts at the end of a run, and those in the middle of it, of a model of documents."""

import json
import logging
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from charrnn.config.schema import DOCUMENT_SAMPLES, Params
from charrnn.data.corpus import fetch_corpus
from charrnn.data.dataset import Dataset, encode_corpus
from charrnn.data.hashing import hash_documents
from tasks.sample import sample
from tasks.tracking.runs import BEST, RunRef
from tasks.tracking.tracker import Tracker
from tests.documents_model import save_documents_model
from tests.workplace import start_run


def changed(params: Params, **sampling: object) -> Params:
    values = params.model_dump()
    return Params.model_validate({**values, "sampling": {**values["sampling"], "length": 20, **sampling}})


def run_of(params: Params, characters: str) -> RunRef:
    """A run whose best checkpoint writes documents of `characters`."""
    run = start_run(params, "documents", {})
    save_documents_model(run.checkpoints / BEST, characters)
    return run


def encoded(params: Params) -> Dataset:
    """The documents that the model learnt from: every text of one of its characters, and 20 others."""
    folder = Path(params.data.directory)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "documents.txt"
    path.write_text("".join(f"{text}\n" for text in ["a", "b", "é", "_", *(f"no {number}" for number in range(20))]))
    data = params.data.model_copy(update={"sources": (str(path),), "documents": "lines"})
    return encode_corpus(fetch_corpus(data), data)


def artifact(run: RunRef, path: str) -> str:
    Tracker(run).wait()
    found = mlflow.artifacts.download_artifacts(run_id=run.run_id, artifact_path=path, tracking_uri=run.uri)
    return Path(found).read_text(encoding="utf-8")


def test_a_hundred_documents_of_each_temperature_are_plain_lists_and_rows_of_one_table(store: Params) -> None:
    run = run_of(store, "abé_")
    groups = sample.fn(encoded(store), changed(store, temperatures=[0.5, 1.0]), run)
    assert [len(texts) for texts in groups] == [DOCUMENT_SAMPLES] * 2 == [100] * 2
    assert groups[0] != groups[1]
    for temperature, texts in zip(("0.5", "1"), groups, strict=True):
        assert artifact(run, f"samples/temperature-{temperature}.txt") == "".join(f"{text}\n" for text in texts)
    frame = pd.DataFrame(**json.loads(artifact(run, "samples/samples.json")))
    assert list(frame["text"]) == groups[0] + groups[1]
    assert list(frame["temperature"]) == [0.5] * 100 + [1.0] * 100
    assert list(frame["seed"]) == [*range(1, 101)] * 2
    assert list(frame.columns)[:3] == ["temperature", "text", "seed"]
    assert (frame["logprob"] < 0).all()


def test_as_many_texts_as_asked_for_with_their_seeds_where_they_have_line_ends(store: Params) -> None:
    run = run_of(store, "ab\n")
    ((first, second),) = sample.fn(encoded(store), changed(store, temperatures=[1.0], num_samples=2, seed=7), run)
    assert artifact(run, "samples/temperature-1.txt") == f"--- seed 7 ---\n{first}\n--- seed 8 ---\n{second}\n"
    (one,) = sample.fn(encoded(store), changed(store, temperatures=[1.0], num_samples=1, seed=8), run)
    assert one == [second]
    assert artifact(run, "samples/temperature-1.txt") == second


def test_what_the_model_cannot_use_is_said_once(store: Params, caplog: pytest.LogCaptureFixture) -> None:
    run = run_of(store, "ab")
    groups = sample.fn(
        encoded(store), changed(store, temperatures=[0.5, 1.0], num_samples=1, prime="aX", stop="\n"), run
    )
    assert all(text.startswith("a") for texts in groups for text in texts)
    warnings = [message for message in caplog.messages if message.startswith("warning")]
    assert warnings == [
        "warning   sampling.prime: the model has never seen 'X' (LATIN CAPITAL LETTER X); dropped",
        "warning   sampling.stop (--until): the model never writes '\\n' (LINE FEED); it ends no text",
    ]


def test_the_last_text_has_a_seed_before_anything_is_computed() -> None:
    with pytest.raises(
        ValueError, match=r"sampling.seed must be at most 2\^63 - 2, so that each of 2 texts has a seed"
    ):
        Params.model_validate({"sampling": {"seed": 2**63 - 1, "num_samples": 2}})
    assert Params.model_validate({"sampling": {"seed": 2**63 - 1}}).sampling.seed == 2**63 - 1


def test_what_of_the_documents_is_new_is_a_table_and_a_line(store: Params, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "charrnn")
    run, dataset = run_of(store, "abé_"), encoded(store)
    (texts,) = sample.fn(dataset, changed(store, temperatures=[1.0]), run)
    frame = pd.DataFrame(**json.loads(artifact(run, "samples/novelty.json")))
    splits = dataset.splits(store.splits)
    assert splits.documents is not None
    known = {
        name: {text for text in texts if hash_documents([text])[0] in dataset.hashes()[chosen]}
        for name, chosen in splits.documents.items()
    }
    assert frame["in_train"][0] == sum(text in known["train"] for text in texts) / 100
    assert frame["new"][0] == sum(all(text not in found for found in known.values()) for text in texts) / 100
    assert 0 < frame["in_train"][0] < 1
    held_out = sum(text in (known["val"] | known["test"]) - known["train"] for text in texts)
    (line,) = [message for message in caplog.messages if "are new" in message]
    new, in_train, repeated = (f"{100 * frame[name][0]:.0f}%" for name in ("new", "in_train", "duplicates"))
    assert line == (
        f"sample    temperature 1: {new} are new, {in_train} are training documents, {held_out}% are held-out "
        f"documents; of all, {repeated} repeat an earlier one"
    )
