"""What a run tells its tracking store, as values that can be written down and sent later.

Knows neither MLflow nor files. Sending the same operation again does no harm: all but metrics replace what is there,
and `NewRows` tells which rows of metrics are there already.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Discriminator, TypeAdapter

from charrnn.errors import CharrnnError


class Row(NamedTuple):
    """One value of a metric; `timestamp` in ms since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


@dataclass(frozen=True)
class Metrics:
    """Rows of metrics; no more than the store takes at once."""

    rows: tuple[Row, ...]
    kind: Literal["metrics"] = "metrics"


@dataclass(frozen=True)
class LogParams:
    """Parameters; those that are there already stay as they are."""

    values: dict[str, str]
    kind: Literal["params"] = "params"


@dataclass(frozen=True)
class SetTags:
    """Tags; they replace those of the same name."""

    values: dict[str, str]
    kind: Literal["tags"] = "tags"


@dataclass(frozen=True)
class Rename:
    """Another name for the run."""

    name: str
    kind: Literal["rename"] = "rename"


@dataclass(frozen=True)
class LogDataset:
    """A dataset the run reads; `profile` is JSON."""

    name: str
    digest: str
    source: str
    profile: str
    context: str
    kind: Literal["dataset"] = "dataset"


@dataclass(frozen=True)
class LogText:
    """A text as the artifact `path`."""

    path: str
    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class LogTable:
    """A table, as pandas' JSON of orient `split`, as the artifact `path`."""

    path: str
    text: str
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class LogFile:
    """The attached file as the artifact `path`, which ends in the file's name."""

    path: str
    kind: Literal["file"] = "file"


@dataclass(frozen=True)
class DrawCurves:
    """A picture of the loss curves as the artifact `path`, drawn from what the store has when this is sent.

    Attributes:
        path: of the artifact.
        baselines: label -> loss (nats per character), drawn as lines.
    """

    path: str
    baselines: dict[str, float]
    kind: Literal["curves"] = "curves"


@dataclass(frozen=True)
class Register:
    """The attached checkpoint as a new version of a registered model.

    Attributes:
        name: of the registered model.
        sha256: of the checkpoint; a version of the run that has it need not be made again.
        requirements: pinned, as for pip.
        example: one input row.
    """

    name: str
    sha256: str
    requirements: tuple[str, ...]
    example: dict[str, str | int | float]
    kind: Literal["register"] = "register"


@dataclass(frozen=True)
class Terminate:
    """The end of the run: FINISHED, FAILED or KILLED, at `time` (ms since 1970)."""

    status: str
    time: int
    kind: Literal["terminate"] = "terminate"


Operation = (
    Metrics
    | LogParams
    | SetTags
    | Rename
    | LogDataset
    | LogText
    | LogTable
    | LogFile
    | DrawCurves
    | Register
    | Terminate
)
OPERATION: TypeAdapter[Any] = TypeAdapter(Annotated[Operation, Discriminator("kind")])


def artifact_path(operation: Operation) -> str | None:
    """Return which artifact the operation writes; None when it writes none that a later one could replace."""
    return operation.path if isinstance(operation, LogText | LogTable | LogFile | DrawCurves) else None


class RefusedError(CharrnnError):
    """The store will never take an operation, however often it is sent."""


class NewRows:
    """Tells the rows a store does not have yet from those it has: no step of a metric is sent twice.

    Steps beyond the last one of their metric are new. Others are looked up: a resumed run comes back to steps that are
    there, and a send that failed may have arrived all the same.
    """

    def __init__(self, read: Callable[[str], Iterable[int]]) -> None:
        """`read` returns the steps the store has of a metric."""
        self._read = read
        self._last: dict[str, int] = {}

    def of(self, rows: Sequence[Row]) -> list[Row]:
        """Return those of `rows` whose (key, step) the store does not have, each once."""
        there: dict[str, set[int]] = {}
        new: dict[tuple[str, int], Row] = {}
        for row in rows:
            last = self._last.get(row.key)
            if row.key not in there and (last is None or row.step <= last):
                there[row.key] = set(self._read(row.key))
            if row.step not in there.get(row.key, ()):
                # The first of several rows for one step is the one that counts.
                new.setdefault((row.key, row.step), row)
            self._last[row.key] = max(row.step, max(there.get(row.key, ()), default=-1) if last is None else last)
        return list(new.values())
