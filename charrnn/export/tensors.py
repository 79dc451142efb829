"""A model as files that need no charrnn: safetensors, and JSON that says what the tensors are."""

import json

from safetensors.torch import save

from charrnn.generation.writer import Writer

FORMAT, VERSION = "charrnn-model", 1


def tensor_files(writer: Writer) -> dict[str, bytes]:
    """Return the content of `model.safetensors`, `vocabulary.json` and `config.json`, by these names."""
    network, data = writer.network, writer.data
    tensors = {name: tensor.detach().float().cpu().contiguous() for name, tensor in network.named_parameters()}
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
    return {
        "model.safetensors": save(tensors, {"format": "pt"}),
        "vocabulary.json": json.dumps(writer.vocabulary.to_dict()).encode(),
        "config.json": f"{json.dumps(config, indent=2)}\n".encode(),
    }
