import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from charrnn.config.schema import ModelParams
from charrnn.data.vocabulary import Vocabulary
from charrnn.export.tensors import tensor_files
from charrnn.model.char_rnn import CharRNN
from tests.charrnn.export.writers import KINDS, untrained_kind


@pytest.mark.parametrize(("cell", "shape"), KINDS)
def test_the_files_alone_make_the_same_model(tmp_path: Path, cell: str, shape: str) -> None:
    writer = untrained_kind(cell, shape)
    for name, content in tensor_files(writer).items():
        (tmp_path / name).write_bytes(content)
    config = json.loads((tmp_path / "config.json").read_text())
    vocabulary = Vocabulary.load(tmp_path / "vocabulary.json")
    assert vocabulary.characters == writer.vocabulary.characters
    assert config["stop_id"] == writer.vocabulary.stop_id
    assert config["documents"] == writer.data.has_documents
    rebuilt = CharRNN(ModelParams(**config["model"]), config["vocabulary_size"])
    missing = rebuilt.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=False)
    assert missing.unexpected_keys == []
    assert set(missing.missing_keys) <= {"decoder.weight"}  # where it is the embedding
    for name, parameter in rebuilt.named_parameters():
        assert parameter.equal(dict(writer.network.named_parameters())[name])
