"""`charrnn sample` with a model of documents."""

import hashlib
import json
from pathlib import Path

import pytest

from charrnn.config.sampling_options import SamplingOptions
from charrnn.data.folder import DataFolder
from charrnn.data.hashing import hash_documents
from charrnn.generation.writer import Writer
from charrnn.training.checkpoint import load_checkpoint
from tests.documents_model import save_documents_model
from tests.workplace import call_sample

CHARACTERS = "abé_\x1b"
DIGEST = hashlib.sha256(b"a text").hexdigest()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("documents")
    return str(save_documents_model(folder / "a.ckpt", CHARACTERS, data_digest=DIGEST))


def out(checkpoint: str, *arguments: str) -> str:
    answer = call_sample("--checkpoint", checkpoint, *arguments)
    assert (answer.code, answer.err) == (0, "")
    return answer.out


def texts(checkpoint: str, count: int, prime: str = "") -> list[str]:
    loaded = load_checkpoint(Path(checkpoint))
    writer = Writer(loaded.model(), loaded.vocabulary, loaded.params.data)
    options = [SamplingOptions(prime=prime, seed=seed) for seed in range(1, count + 1)]
    return [one.text for one in writer.write(options)]


def keep_documents(folder: Path, documents: list[str]) -> None:
    """Leave what encoding leaves of a text of documents, as far as it is read here."""
    encoded = DataFolder(folder).encoded / "0123"
    encoded.mkdir(parents=True)
    values = {
        "digest": DIGEST,
        "length": 1,
        "documents": len(documents),
        "files": 1,
        "left_out": {},
        "dropped": 0,
        "corpus_sha256": "",
    }
    (encoded / "dataset.json").write_text(json.dumps(values))
    (encoded / "hashes.bin").write_bytes(hash_documents(documents).tobytes())


def test_three_hundred_documents_are_a_plain_list_without_any_option(checkpoint: str) -> None:
    lines = out(checkpoint, "--num-samples", "300").split("\n")
    expected = texts(checkpoint, 300)
    assert lines == [text.replace("\x1b", "\\x1b") for text in expected] + [""]
    assert len({len(text) for text in expected}) > 5
    assert any("_" in text for text in expected)
    assert any("\x1b" in text for text in expected)


def test_a_document_is_as_it_is_in_format_text(checkpoint: str) -> None:
    assert out(checkpoint, "--format", "text") == texts(checkpoint, 1)[0] + "\n"
    assert out(checkpoint, "--stream") == texts(checkpoint, 1)[0] + "\n"
    assert out(checkpoint, "--format", "text", "--num-samples", "2") == "".join(
        f"--- seed {seed} ---\n{text}\n" for seed, text in enumerate(texts(checkpoint, 2), start=1)
    )


def test_a_prime_begins_each_document(checkpoint: str) -> None:
    assert out(checkpoint, "--prime", "e\u0301b", "--num-samples", "20").split("\n")[:-1] == [
        text.replace("\x1b", "\\x1b") for text in texts(checkpoint, 20, prime="éb")
    ]


def test_json_lines_say_which_documents_are_new(checkpoint: str, tmp_path: Path) -> None:
    expected = texts(checkpoint, 30)
    old = [text for number, text in enumerate(expected) if number % 3 == 0]
    keep_documents(tmp_path, [*old, "another"])
    rows = out(checkpoint, "--num-samples", "30", "--format", "jsonl", "--set", f"data.directory={tmp_path}")
    objects = [json.loads(row) for row in rows.splitlines()]
    assert [values["text"] for values in objects] == expected
    assert [values["seed"] for values in objects] == list(range(1, 31))
    assert [values["new"] for values in objects] == [text not in old for text in expected]
    assert {values["new"] for values in objects} == {True, False}
    assert all(values["logprob"] < 0 for values in objects)


def test_without_the_text_on_this_machine_it_is_not_known_what_is_new(checkpoint: str, tmp_path: Path) -> None:
    row = out(checkpoint, "--format", "jsonl", "--set", f"data.directory={tmp_path}")
    assert json.loads(row)["new"] is None


def test_documents_with_line_ends_are_text_with_their_seeds(tmp_path: Path) -> None:
    path = str(save_documents_model(tmp_path / "b.ckpt", "ab\n"))
    assert out(path, "--num-samples", "3") == "".join(
        f"--- seed {seed} ---\n{text}\n" for seed, text in enumerate(texts(path, 3), start=1)
    )
