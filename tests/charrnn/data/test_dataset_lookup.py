"""An encoding that is found again by its digest."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from charrnn.config.schema import DataParams
from charrnn.data.corpus import Corpus
from charrnn.data.dataset import Dataset, encode_corpus, find_encoded
from charrnn.data.folder import DataFolder
from charrnn.data.hashing import hash_documents
from charrnn.data.text_file import TextFile
from charrnn.errors import FileError


def encode(text: str, folder: Path, **changes: str) -> Dataset:
    path = folder / "text.txt"
    path.write_text(text, encoding="utf-8")
    file = TextFile("text.txt", path, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    corpus = Corpus((file,), file.sha256, file.size, "the text", cached=True, warnings=())
    return encode_corpus(corpus, DataParams(directory=str(folder / "data"), **changes))


def test_an_encoding_is_found_by_its_digest_whatever_lies_beside_it(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    one, other = encode("A rose is a rosé", tmp_path), encode("another text", tmp_path)
    for name, content in (("0 damaged", "{"), ("0 list", "[]"), ("0 bare", json.dumps({"digest": one.digest}))):
        (folder.encoded / name).mkdir()
        (folder.encoded / name / "dataset.json").write_text(content)
    half_written = folder.encoded / ".half.part"
    half_written.mkdir()
    (half_written / "dataset.json").write_bytes((one.directory / "dataset.json").read_bytes())
    assert find_encoded(folder, one.digest) == replace(one, cached=True)
    assert find_encoded(folder, other.digest) == replace(other, cached=True)
    assert find_encoded(folder, "0" * 64) is None
    assert find_encoded(DataFolder(tmp_path / "nowhere"), one.digest) is None


def test_the_hashes_of_documents_are_read_from_the_disk(tmp_path: Path) -> None:
    dataset = encode("a\ntext", tmp_path, documents="lines")
    assert np.array_equal(dataset.hashes(), hash_documents(["a", "text"]))
    (dataset.directory / "hashes.bin").unlink()
    with pytest.raises(FileError, match=r"hashes\.bin: cannot read"):
        dataset.hashes()
    assert encode("a text", tmp_path).hashes().shape == (0,)
