"""Checkpoints: one safetensors file with everything to go on or to sample, written atomically, read without trust.

The file is opened by the safetensors library alone, without this code. Its tensors are

    model.NAME, average.NAME   the weights, and their exponential moving average if there is one
    optimizer.I.NAME           what the optimizer keeps of weight number I, such as its moments
    hidden.I                   part I of the hidden state of every stream
    random.cpu, random.cuda    random states of PyTorch, uint8

and its metadata, texts of JSON but for the first five, are

    format, version            `charrnn checkpoint`, and the version of what stands here
    sha256                     hex digest of everything else, see `content_digest`
    run_id, device             the tracking run that wrote it, and what it was trained on, in words
    data_digest                which ids and vocabulary the position in `progress` refers to
    params, vocabulary, progress, optimizer    the last are the optimizer's settings

Nothing in it is code: what is read is tensors and JSON.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, Json, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from charrnn.config.loading import validate_params
from charrnn.config.schema import Params
from charrnn.config.writing import readable_values
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CharrnnError, CheckpointError, CheckpointVersionError
from charrnn.files import atomic_file, explain
from charrnn.model.char_rnn import CharRNN, shapes_of
from charrnn.training.state import StateValues, TrainState, check_weights, first_problem
from charrnn.training.state_tensors import join_values, read_metadata, split_values

FORMAT = "charrnn checkpoint"
VERSION = 3
# Names of weights in files of version 2, where all layers were one module: rnns.0.NAME_l1 is rnns.1.NAME_l0 now.
_STACKED = re.compile(r"rnns\.0\.(\w+)_l(\d+)")
# How files of version 1 begin; what followed was a pickle.
OLD_START = b"charrnn checkpoint 1\n"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        params: of the run that wrote it; its model section is the model's shape.
        vocabulary: of the text it was trained on.
        data_digest: identifies the ids and the vocabulary that the position refers to (`Dataset.digest`).
        run_id: the tracking run that wrote it; empty outside of one.
        device: what it was trained on, in words.
        state: see `TrainState.to_dict`.
        sha256: hex digest of the content of the file it was read from; '' where it was read from none.
    """

    params: Params
    vocabulary: Vocabulary
    data_digest: str
    run_id: str
    device: str
    state: Mapping[str, Any]
    sha256: str = ""

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return int(self.state["progress"]["step"])

    @property
    def threads(self) -> int | None:
        """CPU threads that its last step was made with; None before the first."""
        threads: int | None = self.state["progress"]["threads"]
        return threads

    def model(self) -> CharRNN:
        """Return the model to sample from, on the CPU and in evaluation mode; no random state changes.

        Nothing is allocated before the shapes that the parameters declare are known to be those of the weights.

        Raises:
            CheckpointError: the weights are of another shape than the parameters say.
        """
        self.check_shapes()
        with torch.random.fork_rng(devices=[]):
            model = CharRNN(self.params.model, self.vocabulary.size)
        model.load_state_dict(self.state["average"] or self.state["model"])
        return model.eval().requires_grad_(False)

    def weights_only(self) -> "Checkpoint":
        """Return the same without what only a resume needs: a fraction of the size for the same `model`."""
        weights = self.state["average"] or self.state["model"]
        bare = {"model": weights, "average": None, "optimizer": {**self.state["optimizer"], "state": {}}, "hidden": []}
        return replace(self, state={**self.state, **bare}, sha256="")

    def check_shapes(self) -> None:
        """Check that the weights are of the shape the parameters declare, without allocating what those declare.

        Raises:
            CheckpointError: names the first that is not.
        """
        shape, weights = self.params.model, self.state["model"]
        if shape.num_layers > len(weights):
            raise CheckpointError(
                f"the checkpoint does not fit the model: model.num_layers is {shape.num_layers}, "
                f"for {len(weights)} weight tensors"
            )
        try:
            declared = shapes_of(shape, self.vocabulary.size)
        except (RuntimeError, TypeError):  # more than 64 bits can count
            raise CheckpointError(
                f"the checkpoint does not fit the model: model.hidden_size is {shape.hidden_size}, "
                f"model.embedding_size {shape.embedding_size}"
            ) from None
        check_weights(declared, weights)
        check_weights(declared, self.state["average"] or weights)


def checkpoint_of(
    state: TrainState, params: Params, vocabulary: Vocabulary, data_digest: str, run_id: str
) -> Checkpoint:
    """Return the checkpoint of `state` as it is now."""
    return Checkpoint(params, vocabulary, data_digest, run_id, state.computed_on, state.to_dict())


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> str:
    """Write `checkpoint` to `path`, atomically; return the hex digest of its content. Raises FileError."""
    tensors, settings = split_values(checkpoint.state)
    values = {
        "params": readable_values(checkpoint.params),
        "vocabulary": checkpoint.vocabulary.to_dict(),
        "progress": checkpoint.state["progress"],
        "optimizer": settings,
    }
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "run_id": checkpoint.run_id,
        "device": checkpoint.device,
        "data_digest": checkpoint.data_digest,
        **{name: json.dumps(value) for name, value in values.items()},
    }
    digest = content_digest(tensors, metadata)
    content = save_tensors(tensors, {**metadata, "sha256": digest})
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
    return digest


def content_digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Return the hex SHA-256 of a checkpoint's content, in an order that the file does not have to keep.

    It is of the metadata but `sha256`, as JSON with sorted keys, followed by each tensor in the order of names: a line
    of JSON with its name, dtype and shape, then its bytes as safetensors has them.
    """
    digest = hashlib.sha256(json.dumps({k: v for k, v in metadata.items() if k != "sha256"}, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{json.dumps([name, str(tensor.dtype), list(tensor.shape)])}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_checkpoint(path: Path, name: str = "") -> Checkpoint:
    """Read a checkpoint, onto the CPU wherever it was written.

    Args:
        path: the file.
        name: what messages call it; '' for its path.

    Raises:
        FileError: it cannot be read.
        CheckpointVersionError: it is of another format version.
        CheckpointError: it is not a checkpoint, truncated or damaged.
    """
    name = name or str(path)
    try:
        if path.exists() and not path.is_file():
            kind = "a directory, not a charrnn checkpoint" if path.is_dir() else "not a file"
            raise CheckpointError(f"{name}: is {kind}")
        content = path.read_bytes()
    except OSError as error:
        raise explain(error, "read checkpoint", path) from error
    if content.startswith(OLD_START):
        raise CheckpointVersionError(
            f"{name}: has checkpoint format 1, of charrnn 0.1, a pickle that is no longer read; finish the run with "
            "charrnn 0.1, or train again"
        )
    try:
        tensors = load_tensors(content)
    except (SafetensorError, KeyError, ValueError):  # a KeyError for a dtype that PyTorch has not
        # The name of the format is in the metadata, which come before the tensors.
        fault = "is truncated or damaged" if FORMAT.encode() in content else "is not a charrnn checkpoint"
        raise CheckpointError(f"{name}: {fault}") from None
    try:
        return _parse(tensors, read_metadata(content))
    except ValidationError as error:
        raise CheckpointError(f"{name}: is not a charrnn checkpoint ({_shown(first_problem(error))})") from None
    except CheckpointVersionError as error:
        raise CheckpointVersionError(f"{name}: {_shown(str(error))}") from None
    except CharrnnError as error:
        raise CheckpointError(f"{name}: {_shown(str(error))}") from None


def _shown(text: str) -> str:
    """Return a message that may quote what a file holds: at most 500 characters, none that a terminal obeys."""
    return "".join(character if character.isprintable() else "�" for character in text[:500])


class _VocabularyValues(BaseModel):
    characters: list[str]
    counts: list[int]
    first_seen: list[int]


class _Metadata(BaseModel):
    """What `save_checkpoint` writes beside the tensors, as a schema."""

    run_id: str
    device: str
    data_digest: str
    params: Json[dict[str, Any]]
    vocabulary: Json[_VocabularyValues]
    progress: Json[dict[str, Any]]
    optimizer: Json[dict[str, Any]]


def _parse(tensors: dict[str, Tensor], metadata: dict[str, str]) -> Checkpoint:
    if metadata.get("format") != FORMAT:
        raise CheckpointError("is a safetensors file, but not a charrnn checkpoint")
    if metadata.get("version") not in ("2", str(VERSION)):
        found_version = metadata.get("version", "")[:20]
        raise CheckpointVersionError(
            f"has checkpoint format {found_version!r}, this charrnn reads formats 2 and {VERSION}; use the "
            "version of charrnn that wrote it"
        )
    if content_digest(tensors, metadata) != metadata.get("sha256"):
        raise CheckpointError("is truncated or damaged (its checksum does not match its content)")
    if metadata["version"] == "2":
        tensors = {_STACKED.sub(r"rnns.\2.\1_l0", name): tensor for name, tensor in tensors.items()}
    found = _Metadata.model_validate(metadata)
    state = join_values(tensors, found.progress, found.optimizer)
    state["progress"] = asdict(StateValues.model_validate(state).progress)
    checkpoint = Checkpoint(
        params=validate_params(found.params),
        vocabulary=Vocabulary.from_dict(found.vocabulary.model_dump()),
        data_digest=found.data_digest,
        run_id=found.run_id,
        device=found.device,
        state=state,
        sha256=metadata["sha256"],
    )
    checkpoint.check_shapes()
    return checkpoint
