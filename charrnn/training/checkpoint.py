"""Checkpoints: one file with everything to go on or to sample, written atomically, read without trust.

The file is a line of text (format name and version), the SHA-256 of the rest, then what `torch.save` wrote. Reading
checks the digest first and then uses `torch.load(weights_only=True)`, which executes nothing.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from charrnn.config.loading import validate_params
from charrnn.config.schema import Params
from charrnn.config.writing import redacted_values
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CharrnnError, CheckpointError
from charrnn.files import atomic_file, explain
from charrnn.model.char_rnn import CharRNN
from charrnn.training.device import describe_device
from charrnn.training.state import StateValues, TrainState, check_weights, first_problem

MAGIC = b"charrnn checkpoint "
VERSION = 1
HEAD_BYTES = 64
DIGEST_BYTES = 32


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        params: of the run that wrote it; its model section is the model's shape.
        vocabulary: of the text it was trained on.
        dataset_key: which encoding of which text the position refers to.
        run_id: the tracking run that wrote it; empty outside of one.
        device: what it was trained on, in words.
        state: see `TrainState.to_dict`.
        sha256: hex digest of the content.
    """

    params: Params
    vocabulary: Vocabulary
    dataset_key: str
    run_id: str
    device: str
    state: Mapping[str, Any]
    sha256: str = ""

    @property
    def step(self) -> int:
        """Updates done."""
        return int(self.state["progress"]["step"])

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
        """Return the same without what only going on needs: a fraction of the size for the same `model`."""
        weights = self.state["average"] or self.state["model"]
        bare = {"model": weights, "average": None, "optimizer": {**self.state["optimizer"], "state": {}}, "hidden": []}
        return replace(self, state={**self.state, **bare})

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
            with torch.device("meta"), torch.random.fork_rng(devices=[]):
                declared = CharRNN(shape, self.vocabulary.size)
        except (RuntimeError, TypeError):  # more than 64 bits can count
            raise CheckpointError(
                f"the checkpoint does not fit the model: model.hidden_size is {shape.hidden_size}, "
                f"model.embedding_size {shape.embedding_size}"
            ) from None
        check_weights(declared, weights)
        check_weights(declared, self.state["average"] or weights)


class _VocabularyValues(BaseModel):
    characters: list[str]
    counts: list[int]
    first_seen: list[int]


class _Contents(BaseModel):
    """What `save_checkpoint` writes, as a schema."""

    params: dict[str, Any]
    vocabulary: _VocabularyValues
    dataset_key: str
    run_id: str
    device: str
    state: StateValues


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> str:
    """Write `checkpoint` to `path`, atomically; return the hex digest of its content. Raises FileError."""
    buffer = io.BytesIO()
    torch.save(
        {
            "params": redacted_values(checkpoint.params),
            "vocabulary": checkpoint.vocabulary.to_dict(),
            "dataset_key": checkpoint.dataset_key,
            "run_id": checkpoint.run_id,
            "device": checkpoint.device,
            "state": dict(checkpoint.state),
        },
        buffer,
    )
    content = buffer.getbuffer()
    digest = hashlib.sha256(content)
    with atomic_file(path) as temporary, open(temporary, "wb") as file:
        file.write(MAGIC + f"{VERSION}\n".encode() + digest.digest())
        file.write(content)
    return digest.hexdigest()


def checkpoint_of(
    state: TrainState, params: Params, vocabulary: Vocabulary, dataset_key: str, run_id: str
) -> Checkpoint:
    """Return the checkpoint of `state` as it is now."""
    return Checkpoint(params, vocabulary, dataset_key, run_id, describe_device(state.device), state.to_dict())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, onto the CPU wherever it was written.

    Raises:
        FileError: it cannot be read.
        CheckpointError: it is not a checkpoint, of another version, truncated or damaged.
    """
    try:
        with path.open("rb") as file:
            head = file.readline(HEAD_BYTES)
            version = head.removeprefix(MAGIC).removesuffix(b"\n")
            if head != MAGIC + version + b"\n" or not version.isdigit():
                raise CheckpointError(f"{path}: is not a charrnn checkpoint")
            if int(version) != VERSION:
                raise CheckpointError(
                    f"{path}: has checkpoint format {int(version)}, this charrnn reads format {VERSION}; "
                    "use the version of charrnn that wrote it"
                )
            digest, content = file.read(DIGEST_BYTES), file.read()
    except IsADirectoryError:
        raise CheckpointError(f"{path}: is a directory, not a charrnn checkpoint") from None
    except OSError as error:
        raise explain(error, "read checkpoint", path) from error
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"{path}: is truncated or damaged (its checksum does not match its content)")
    return _parse(path, content, digest.hex())


def _parse(path: Path, content: bytes, digest: str) -> Checkpoint:
    values = _unpickle(path, content)
    try:
        contents = _Contents.model_validate(values)
        # A kilobyte can declare tensors of any size: by strides of zero, or on no device.
        tensors = contents.state.tensors
        dense = all(tensor.device.type == "cpu" and tensor.layout == torch.strided for tensor in tensors)
        if not dense or sum(tensor.nbytes for tensor in tensors) > len(content):
            raise CheckpointError("declares more numbers than it holds")
        checkpoint = Checkpoint(
            params=validate_params(contents.params),
            vocabulary=Vocabulary.from_dict(contents.vocabulary.model_dump()),
            dataset_key=contents.dataset_key,
            run_id=contents.run_id,
            device=contents.device,
            state=values["state"],
            sha256=digest,
        )
        checkpoint.check_shapes()
    except ValidationError as error:
        raise CheckpointError(f"{path}: is not a charrnn checkpoint ({first_problem(error)})") from None
    except CharrnnError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except (ValueError, RecursionError):  # lists within themselves, without end
        raise CheckpointError(f"{path}: is not a charrnn checkpoint (params: are not parameters)") from None
    return checkpoint


def _unpickle(path: Path, content: bytes) -> Any:
    """Return what is in the zip file that `torch.save` made of it: tensors, numbers and texts."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > len(content):
                raise ValueError("compressed")  # PyTorch never does; a small file could fill the memory
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # a file made to mislead fails in more ways than PyTorch names
        raise CheckpointError(f"{path}: is not a charrnn checkpoint (its content is not what charrnn writes)") from None
