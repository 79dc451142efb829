"""Reads everything that must not differ between a run that was disturbed and its undisturbed twin."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from mlflow import MlflowClient
from torch import Tensor

from charrnn.training.checkpoint import load_checkpoint

TIMES = ("elapsed", "evaluated_at", "evaluation_seconds", "checkpointed_at")
"""What the state holds of time, which passes differently."""
CLOCKED = ("train/chars_per_second", "train/chars_per_second_so_far")
"""Metrics whose values are times; their steps must agree all the same."""


@dataclass(frozen=True)
class Record:
    """Everything a run has come to.

    Attributes:
        status: of the MLflow run.
        figures: name -> value, of every number, text and tensor, one entry for each row of each metric.
        repeated: rows of metrics whose step was there already.
        versions: numbers of the model versions registered for the run.
    """

    status: str
    figures: Mapping[str, object]
    repeated: tuple[str, ...]
    versions: tuple[str, ...]


def read_run(client: MlflowClient, run_id: str, checkpoints: Path) -> Record:
    """Read the run and its local checkpoints, `last.ckpt` and `best.ckpt` in the folder `checkpoints`."""
    run = client.get_run(run_id)
    figures: dict[str, object] = {}
    repeated: list[str] = []
    for key in run.data.metrics:
        if key.startswith("system/"):
            continue
        for row in client.get_metric_history(run_id, key):
            name = f"metric {key} of step {row.step}"
            if name in figures:
                repeated.append(name)
            figures[name] = None if key in CLOCKED else row.value
    for path in _artifacts(client, run_id, "samples"):
        figures[path] = Path(client.download_artifacts(run_id, path)).read_text(encoding="utf-8")
    for name in ("last.ckpt", "best.ckpt"):
        for place, file in (
            ("here", checkpoints / name),
            ("artifact", Path(client.download_artifacts(run_id, f"checkpoints/{name}"))),
        ):
            state = load_checkpoint(file).state
            figures.update({f"{name} {place} {key}": value for key, value in flat(state)})
    versions = client.search_model_versions(f"run_id = '{run_id}'")
    return Record(run.info.status, figures, tuple(repeated), tuple(str(item.version) for item in versions))


def flat(value: object, name: str = "state") -> Iterator[tuple[str, object]]:
    """Yield every number, text and tensor in nested maps and lists, but times."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in TIMES:
                yield from flat(item, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from flat(item, f"{name}.{index}")
    else:
        yield name, value


def differences(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    """Return the names of what only one of them has, or both have with different values."""
    found = [f"only one has {name}" for name in sorted(one.keys() ^ other.keys())]
    return found + [f"{name} differs" for name in one if name in other and not equal(one[name], other[name])]


def equal(one: object, other: object) -> bool:
    """Whether two values are the same to the last bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return type(one) is type(other) and one == other


def _artifacts(client: MlflowClient, run_id: str, folder: str) -> Iterator[str]:
    for item in client.list_artifacts(run_id, folder):
        if item.is_dir:
            yield from _artifacts(client, run_id, item.path)
        else:
            yield item.path
