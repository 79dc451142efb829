"""A model as a folder of files that need no charrnn: safetensors, and JSON that says what the tensors are."""

import json
from pathlib import Path

from safetensors.torch import save

from charrnn.files import explain, write_bytes, write_text
from charrnn.generation.writer import Writer

FORMAT, VERSION = "charrnn-model", 1


def write_tensors(folder: Path, writer: Writer) -> None:
    """Write `model.safetensors`, `vocabulary.json` and, last, `config.json` into `folder`, each atomically.

    Raises:
        FileError: they cannot be written.
    """
    network, data = writer.network, writer.data
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, "write", folder) from error
    tensors = {name: tensor.detach().float().cpu().contiguous() for name, tensor in network.named_parameters()}
    write_bytes(folder / "model.safetensors", save(tensors, {"format": "pt"}))
    writer.vocabulary.save(folder / "vocabulary.json")
    config = {
        "format": FORMAT,
        "version": VERSION,
        "model": network.params.model_dump(mode="json"),
        "vocabulary_size": writer.vocabulary.size,
        "stop_id": writer.vocabulary.stop_id,
        "documents": data.has_documents,
        "newline": data.newline,
        "unicode_form": data.unicode_form,
        "lowercase": data.lowercase,
    }
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")
