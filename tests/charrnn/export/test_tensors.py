import json
import os
from pathlib import Path

import pytest
from safetensors.torch import load_file

from charrnn.config.schema import ModelParams
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import FileError
from charrnn.export.tensors import write_tensors
from charrnn.model.char_rnn import CharRNN
from tests.charrnn.export.writers import KINDS, untrained, untrained_kind


@pytest.mark.parametrize(("cell", "shape"), KINDS)
def test_the_files_alone_make_the_same_model(tmp_path: Path, cell: str, shape: str) -> None:
    writer = untrained_kind(cell, shape)
    write_tensors(tmp_path / "model", writer)
    write_tensors(tmp_path / "model", writer)  # over what is there
    config = json.loads((tmp_path / "model/config.json").read_text())
    vocabulary = Vocabulary.load(tmp_path / "model/vocabulary.json")
    assert vocabulary.characters == writer.vocabulary.characters
    assert config["stop_id"] == writer.vocabulary.stop_id
    assert config["documents"] == writer.data.has_documents
    rebuilt = CharRNN(ModelParams(**config["model"]), config["vocabulary_size"])
    missing = rebuilt.load_state_dict(load_file(tmp_path / "model/model.safetensors"), strict=False)
    assert missing.unexpected_keys == []
    assert set(missing.missing_keys) <= {"decoder.weight"}  # where it is the embedding
    for name, parameter in rebuilt.named_parameters():
        assert parameter.equal(dict(writer.network.named_parameters())[name])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"file/model/\S+: cannot write"):
        write_tensors(tmp_path / "file/model", untrained())


def test_a_file_that_cannot_be_written_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    write_tensors(tmp_path, untrained())
    before = (tmp_path / "config.json").read_bytes()
    (tmp_path / "model.safetensors").unlink()
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(FileError, match=r"model\.safetensors: cannot write"):
        write_tensors(tmp_path, untrained("model.hidden_size=7"))
    assert (tmp_path / "config.json").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "vocabulary.json", "model.safetensors"}
