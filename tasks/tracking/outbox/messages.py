"""The messages of a run to its tracking store: values that can be written to disk and sent later.

Knows neither MLflow nor files.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Discriminator, PlainSerializer, TypeAdapter

from charrnn.errors import CharrnnError
from charrnn.undecodable import escaped
from charrnn.wording import counted

Readable = Annotated[str, PlainSerializer(escaped)]
"""Text that people read in the store: bytes of names that are no UTF-8 are written as escapes."""


class Row(NamedTuple):
    """One value of a metric; `timestamp` in ms since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


@dataclass(frozen=True)
class Metrics:
    """Values of metrics; no more than the store takes in one request."""

    rows: tuple[Row, ...]
    kind: Literal["metrics"] = "metrics"


@dataclass(frozen=True)
class LogParams:
    """Parameters; those that are there already stay as they are."""

    values: dict[str, Readable]
    kind: Literal["params"] = "params"


@dataclass(frozen=True)
class SetTags:
    """Tags; they replace those of the same name."""

    values: dict[str, Readable]
    kind: Literal["tags"] = "tags"


@dataclass(frozen=True)
class Rename:
    """Another name for the run."""

    name: Readable
    kind: Literal["rename"] = "rename"


@dataclass(frozen=True)
class LogDataset:
    """A dataset the run reads; `profile` is JSON."""

    name: Readable
    digest: str
    source: Readable
    profile: str
    context: str
    kind: Literal["dataset"] = "dataset"


@dataclass(frozen=True)
class LogText:
    """A text as the artifact `path`."""

    path: str
    text: Readable
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class LogTable:
    """A table, as pandas' JSON of orient `split`, as the artifact `path`."""

    path: str
    text: Readable
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class LogFile:
    """The attached file as the artifact `path`, which ends in the file's name."""

    path: str
    kind: Literal["file"] = "file"


@dataclass(frozen=True)
class LogCheckpoint:
    """A checkpoint that is kept, the artifact `path` of optimizer step `step`, as a model that can be compared."""

    path: str
    step: int
    kind: Literal["checkpoint"] = "checkpoint"


@dataclass(frozen=True)
class DrawCurves:
    """A picture of the loss curves as the artifact `path`, drawn from the metrics in the store when this is sent.

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
        sha256: of the checkpoint; of each checkpoint a run registers one version.
        requirements: pinned, as for pip.
        example: one input row.
        description: of the version, in Markdown.
        step: optimizer steps that it was trained for.
        text: where not '', the model is NAME-TEXT if there is a champion of `name` and it is of another text.
    """

    name: str
    sha256: str
    requirements: tuple[str, ...]
    example: dict[str, str | int | float]
    description: Readable = ""
    step: int = 0
    text: Readable = ""
    kind: Literal["register"] = "register"


@dataclass(frozen=True)
class Terminate:
    """The end of the run: FINISHED, FAILED or KILLED, at `time` (ms since 1970)."""

    status: str
    time: int
    kind: Literal["terminate"] = "terminate"


Message = (
    Metrics
    | LogParams
    | SetTags
    | Rename
    | LogDataset
    | LogText
    | LogTable
    | LogFile
    | LogCheckpoint
    | DrawCurves
    | Register
    | Terminate
)
MESSAGE: TypeAdapter[Any] = TypeAdapter(Annotated[Message, Discriminator("kind")])


def artifact_path(message: Message) -> str | None:
    """Return the artifact that the message writes; None for a message that no later one replaces."""
    return message.path if isinstance(message, LogText | LogTable | LogFile | DrawCurves) else None


def in_words(messages: Iterable[Message]) -> str:
    """Return in one line what the store would get: how much of each kind, and the paths of the artifacts."""
    counts: Counter[str] = Counter()
    for message in messages:
        match message:
            case Metrics(rows):
                counts["metric value"] += len(rows)
            case LogParams(values):
                counts["parameter"] += len(values)
            case SetTags(values):
                counts["tag"] += len(values)
            case Rename():
                counts["name"] += 1
            case LogDataset():
                counts["dataset"] += 1
            case Register():
                counts["model version"] += 1
            case Terminate(status):
                counts[f"end as {status}"] += 1
            case _:
                counts[f"artifact {message.path}"] += 1
    return ", ".join(counted(number, noun) for noun, number in counts.items())


class RefusedError(CharrnnError):
    """The store will never take a message, however often it is sent."""
