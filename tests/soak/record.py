"""What a soak has seen: the runs, flow runs and versions at its end, and what was sampled while it went on."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrackedRun:
    """A run in MLflow.

    Attributes:
        run_id: of MLflow.
        status: RUNNING, FINISHED, FAILED or KILLED.
        steps: of the rows of `train/loss`, as they stand in the store.
        max_steps: how many it was to have.
        promotion: what was decided about its model, and why.
        flow_runs: of Prefect, that made it or went on with it.
        corpus: the digest of its text.
    """

    run_id: str
    status: str
    steps: tuple[int, ...]
    max_steps: int
    promotion: str
    flow_runs: tuple[str, ...] = ()
    corpus: str = ""


@dataclass(frozen=True)
class FlowRun:
    """A flow run in Prefect.

    Attributes:
        flow_run_id: of Prefect.
        state: the type of its last state.
        message: of that state.
        went_on: the flow runs that were asked to go on with it after a crash.
    """

    flow_run_id: str
    state: str
    message: str
    went_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Version:
    """A version of the registered model.

    Attributes:
        number: of the version.
        run_id: of the run that made it.
        description: of the version, which begins with the decision on it.
    """

    number: int
    run_id: str
    description: str


@dataclass(frozen=True)
class Sample:
    """A measurement.

    Attributes:
        second: since the soak began.
        megabytes: of memory or disk.
        trainings: that had finished by then.
    """

    second: float
    megabytes: float
    trainings: int


@dataclass
class Ledger:
    """All of it.

    Attributes:
        minutes: how long it went on.
        asked: trainings that had to be finished.
        runs: in MLflow.
        flow_runs: in Prefect, of the pipeline.
        versions: of the registered model, in order.
        champions: the versions that had the alias, in the order in which they were seen.
        bad_challenger: the run that was trained for one step; None where there was none.
        page: the digest of the page of HTML that took the place of the text.
        drifted: flow runs that were at it while the text was that page.
        full: flow runs that were at it while the disk was full.
        away: flow runs that were at it while a server, or what it needs, was away.
        faults: how often each kind was injected.
        killed: flow runs whose training was killed, and of what.
        left_out: kinds that could not be, and why.
        surprises: what came of a fault, or of the soak's own steps, that should not have.
        requests: that the served champion was sent.
        failures: what failed of them.
        latencies: of the others (s).
        models: versions that answered, in the order in which they were seen.
        memory: of each service (PSS, megabytes), since it was last started.
        disk: of each folder.
        orphans: processes that were left when everything had been stopped.
        leftovers: unfinished files, and operations that no store has got.
    """

    minutes: float = 0.0
    asked: int = 0
    runs: list[TrackedRun] = field(default_factory=list)
    flow_runs: list[FlowRun] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    champions: list[int] = field(default_factory=list)
    bad_challenger: str | None = None
    page: str = ""
    drifted: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    killed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)
    requests: int = 0
    failures: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    memory: dict[str, list[Sample]] = field(default_factory=dict)
    disk: dict[str, list[Sample]] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Note what goes wrong in the block as a surprise, and go on after it: the hour is not lost to one failure."""
        try:
            yield
        except Exception as error:
            self.surprises.append(f"{what}: {type(error).__name__}: {error}")
