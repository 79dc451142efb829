"""Checkpoints: one file with everything to go on or to sample, written atomically, read without trust.

The file is a line of text (format name and version), the SHA-256 of the rest, then what `torch.save` wrote. Reading
checks the digest first and then uses `torch.load(weights_only=True)`, which executes nothing.
"""

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from charrnn.device import describe_device
from charrnn.errors import CharrnnError, CheckpointError
from charrnn.files import explain, write_bytes
from charrnn.model import CharRNN
from charrnn.param_files import redacted_values, validate_params
from charrnn.params import Params
from charrnn.state import TrainState
from charrnn.vocabulary import Vocabulary

MAGIC = b"charrnn checkpoint "
VERSION = 1
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
        """Return the model to sample from, on the CPU and in evaluation mode.

        Raises:
            CheckpointError: the weights are of another shape than the parameters say.
        """
        model = CharRNN(self.params.model, self.vocabulary.size)
        try:
            model.load_state_dict(self.state["average"] or self.state["model"])
        except (KeyError, RuntimeError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"the checkpoint's weights are not of the shape its parameters say: {reason}"
            ) from None
        return model.eval().requires_grad_(False)


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
    content = buffer.getvalue()
    digest = hashlib.sha256(content)
    write_bytes(path, MAGIC + f"{VERSION}\n".encode() + digest.digest() + content)
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
        data = path.read_bytes()
    except OSError as error:
        raise explain(error, "read checkpoint", path) from error
    head, newline, rest = data.partition(b"\n")
    if not (newline and head.startswith(MAGIC) and head[len(MAGIC) :].isdigit()):
        raise CheckpointError(f"{path}: is not a charrnn checkpoint")
    if int(head[len(MAGIC) :]) != VERSION:
        raise CheckpointError(
            f"{path}: has checkpoint format {int(head[len(MAGIC) :])}, this charrnn reads format {VERSION}; "
            "use the version of charrnn that wrote it"
        )
    digest, content = rest[:DIGEST_BYTES], rest[DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"{path}: is truncated or damaged (its checksum does not match its content)")
    return _parse(path, content, digest.hex())


def _parse(path: Path, content: bytes, digest: str) -> Checkpoint:
    try:
        values = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        checkpoint = Checkpoint(
            params=validate_params(values["params"]),
            vocabulary=Vocabulary.from_dict(values["vocabulary"]),
            dataset_key=str(values["dataset_key"]),
            run_id=str(values["run_id"]),
            device=str(values["device"]),
            state=dict(values["state"]),
            sha256=digest,
        )
    except CharrnnError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: is not a charrnn checkpoint ({reason})") from None
    return checkpoint
