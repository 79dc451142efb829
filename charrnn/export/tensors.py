"""A model as a folder of files that need no charrnn: safetensors, and JSON that says what the tensors are."""

import json
from contextlib import ExitStack
from pathlib import Path

from safetensors.torch import save

from charrnn.files import atomic_file
from charrnn.generation.writer import Writer

FORMAT, VERSION = "charrnn-model", 1


def write_tensors(folder: Path, writer: Writer) -> None:
    """Write `model.safetensors`, `vocabulary.json` and `config.json` into `folder`, which may exist.

    All are whole on the disk before the first takes its place. Raises FileError where one cannot be written.
    """
    network, data = writer.network, writer.data
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
    tensors = {name: tensor.detach().float().cpu().contiguous() for name, tensor in network.named_parameters()}
    files = {
        "config.json": f"{json.dumps(config, indent=2)}\n".encode(),
        "vocabulary.json": json.dumps(writer.vocabulary.to_dict()).encode(),
        "model.safetensors": save(tensors, {"format": "pt"}),
    }
    with ExitStack() as stack:
        for name, content in files.items():
            stack.enter_context(atomic_file(folder / name)).write_bytes(content)
