"""What several commands are given: a trained model by its name, and a text in a file. Imports nothing slow."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from charrnn.config.schema import Params
from charrnn.data.folder import DataFolder
from charrnn.errors import FileError
from charrnn.files import explain
from flows.cli.errors import interruptible
from tasks.tracking.naming import kind_of

if TYPE_CHECKING:
    from charrnn.data.splits import Splits
    from charrnn.training.checkpoint import Checkpoint

MODEL = typer.Argument(
    metavar="MODEL",
    show_default=False,
    help="A trained model: last, RUN_ID, a checkpoint FILE, or a registered NAME, NAME@alias or NAME/VERSION.",
)


def find_checkpoint(params: Params, wanted: str) -> "Checkpoint":
    """Return the checkpoint of the trained model of any kind that is called `wanted`.

    Raises:
        CheckpointError: it is damaged.
        FileError: it cannot be read.
        TrackingError: there is no such run or registered model.
    """
    from charrnn.training.checkpoint import load_checkpoint

    if kind_of(wanted) == "file":
        # Without MLflow, whose import takes seconds.
        return load_checkpoint(Path(wanted))
    with interruptible():
        from tasks.tracking.mlflow import Experiment
        from tasks.tracking.trained_models import find_model
    return find_model(Experiment(params.tracking, params.data), wanted).checkpoint


def find_splits(params: Params, checkpoint: "Checkpoint") -> "Splits | None":
    """Return the splits of the text that the model was trained on; None where that is not in the data folder."""
    from charrnn.data.dataset import find_encoded

    dataset = find_encoded(DataFolder(Path(params.data.directory)), checkpoint.data_digest)
    return None if dataset is None else dataset.splits(checkpoint.params.splits)


def name_of(file: str) -> str:
    """Return what a message calls `file`."""
    return "standard input" if file == "-" else file


def read_text(file: str, what: str) -> str:
    """Return the text in `file`, which is UTF-8; - is standard input.

    Raises:
        FileError: it cannot be read, or is not UTF-8; `what` is it that is read, for the message.
    """
    name = name_of(file)
    if file == "-" and sys.stdin is None:
        raise FileError(f"{name}: is closed; cannot read {what}")
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8")
    except MemoryError:
        raise FileError(f"{name}: does not fit into memory") from None
    except OSError as error:
        raise explain(error, f"read {what}", Path(name)) from None
    except UnicodeDecodeError as error:
        raise FileError(f"{name}: is not UTF-8 text (byte offset {error.start})") from None
