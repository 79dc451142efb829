"""What a `TrainState` is as named tensors and JSON: in a checkpoint file, and on its way to another process.

`charrnn.training.checkpoint` says which tensors there are. Does not know what they are used for.
"""

import json
from collections.abc import Mapping
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from charrnn.errors import CheckpointError


def pack(values: Mapping[str, Any]) -> bytes:
    """Return what `TrainState.to_dict` gave as one safetensors file."""
    tensors, settings = split_values(values)
    return save_tensors(tensors, {"progress": json.dumps(values["progress"]), "optimizer": json.dumps(settings)})


def unpack(content: bytes) -> dict[str, Any]:
    """Return what `pack` was given. Raises CheckpointError where it does not hold it."""
    metadata = read_metadata(content)
    return join_values(load_tensors(content), json.loads(metadata["progress"]), json.loads(metadata["optimizer"]))


def read_metadata(content: bytes) -> dict[str, str]:
    """Return the metadata of a safetensors file that the library has read: a header of JSON after its length."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata: dict[str, str] = header.get("__metadata__") or {}
    return metadata


def split_values(values: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of what `TrainState.to_dict` gave by their names in the file, and the optimizer's settings."""
    tensors = {f"model.{name}": tensor for name, tensor in values["model"].items()}
    tensors |= {f"average.{name}": tensor for name, tensor in (values["average"] or {}).items()}
    for number, moments in values["optimizer"]["state"].items():
        tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in moments.items()}
    tensors |= {f"hidden.{number}": tensor for number, tensor in enumerate(values["hidden"])}
    tensors["random.cpu"] = values["rng"]
    if "cuda_rng" in values:
        tensors["random.cuda"] = values["cuda_rng"]
    (settings,) = values["optimizer"]["param_groups"]
    return {name: tensor.contiguous() for name, tensor in tensors.items()}, settings


def join_values(tensors: Mapping[str, Tensor], progress: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return what `split_values` was given. Raises CheckpointError for a tensor with another name."""
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in ("model", "average", "optimizer", "hidden", "random")}
    for full_name, tensor in tensors.items():
        part, _, name = full_name.partition(".")
        if part not in parts:
            raise CheckpointError(f"is not a charrnn checkpoint (a tensor is called {full_name[:80]!r})")
        parts[part][name] = tensor
    moments: dict[int, dict[str, Tensor]] = {}
    for full_name, tensor in parts["optimizer"].items():
        number, _, name = full_name.partition(".")
        if not (number.isascii() and number.isdecimal() and len(number) < 10 and name):
            raise CheckpointError(f"is not a charrnn checkpoint (a tensor is called {'optimizer.' + full_name[:70]!r})")
        moments.setdefault(int(number), {})[name] = tensor
    hidden, random = parts["hidden"], parts["random"]
    if unknown := random.keys() - {"cpu", "cuda"}:
        raise CheckpointError(f"is not a charrnn checkpoint (a tensor is called {'random.' + min(unknown)[:70]!r})")
    if sorted(hidden) != [str(number) for number in range(len(hidden))]:
        raise CheckpointError("is not a charrnn checkpoint (its hidden state has other parts than 0, 1, ...)")
    state: dict[str, Any] = {
        "model": parts["model"],
        "average": parts["average"] or None,
        "optimizer": {"state": moments, "param_groups": [settings]},
        "hidden": [hidden[str(number)] for number in range(len(hidden))],
        "progress": progress,
        "rng": random.get("cpu"),
    }
    return state | ({"cuda_rng": random["cuda"]} if "cuda" in random else {})
