"""Trials as flow runs of the deployment `pipeline/trial`: workers run them, on whatever machines they are.

A flow run is asked for under a key made of the sweep, the trial and a number, so that a sweep whose process died finds
what it has started. Crashed flow runs are gone on with by `pipeline/recover`, which is followed.
"""

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled, Cancelling

from charrnn.config.redaction import one_line, redact
from charrnn.errors import TrackingError
from flows.deployed.recovery import RECOVERY, TRIAL
from flows.sweeps.launched import Ended
from flows.sweeps.patience import AwayError, Stopping, patiently

logger = logging.getLogger("charrnn")

# How long a crashed flow run waits for one that goes on with it; after what time it is said that no worker starts (s).
RECOVERY_SECONDS, WORKER_SECONDS = 60.0, 60.0
# How long a flow run may take to stop, with the time until its worker hears of it (s).
STOP_SECONDS = 120.0
# Answers of the server that may be others later: a timeout, too many requests.
PASSING = (408, 429)

T = TypeVar("T")


class Server:
    """The Prefect server; every request to it is made again while it is away."""

    def __init__(self, stopping: Stopping) -> None:
        """No request is made; `stopping` is set when the sweep is to end."""
        self._stopping = stopping

    def has_deployment(self) -> bool:
        """Return whether it has the deployment of trials."""
        return self._deployment_id(TRIAL) is not None

    def run(self, name: str, key: str, parameters: dict[str, Any]) -> UUID:
        """Return the flow run that was asked for under `key`, which is made if there is none."""
        made = self._ask(
            lambda: run_deployment(
                TRIAL,
                parameters=parameters,
                flow_run_name=name,
                idempotency_key=key,
                timeout=0,
                as_subflow=False,
            )
        )
        return cast(FlowRun, made).id  # its type also names the answer to an async caller

    def cancel(self, flow_run_id: UUID, *, at_once: bool = False) -> None:
        """Cancel a flow run: its worker sends it a SIGTERM; `at_once`, it counts as cancelled without an answer."""

        def cancel() -> None:
            with get_client(sync_client=True) as client, suppress(ObjectNotFound):
                found = client.read_flow_run(flow_run_id)
                began = found.state is not None and found.state.type in (StateType.RUNNING, StateType.PENDING)
                wanted: State = Cancelling() if began and not at_once else Cancelled()
                client.set_flow_run_state(flow_run_id, wanted, force=at_once)

        self._ask(cancel)

    def latest(self, flow_run_id: UUID) -> FlowRun:
        """Return a flow run, or the last of those that have gone on with it after a crash."""

        def latest() -> FlowRun:
            with get_client(sync_client=True) as client:
                found = client.read_flow_run(flow_run_id)
                while _has_crashed(found) and (recovery := self._deployment_id(RECOVERY)):
                    recoveries = client.read_flow_runs(
                        flow_run_filter=FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[recovery])),
                        sort=FlowRunSort.EXPECTED_START_TIME_DESC,  # the newest come first, of several and of all
                    )
                    following = [one for one in recoveries if one.parameters.get("resume") == str(found.id)]
                    if not following:
                        break
                    found = following[0]
                return found

        return self._ask(latest)

    def _deployment_id(self, name: str) -> UUID | None:
        def read() -> UUID | None:
            with get_client(sync_client=True) as client:
                try:
                    return client.read_deployment_by_name(name).id
                except ObjectNotFound:
                    return None

        return self._ask(read)

    def _ask(self, request: Callable[[], T]) -> T:
        def translated() -> T:
            try:
                return request()
            except httpx.HTTPError as error:
                kind = TrackingError if _is_refusal(error) else AwayError
                url = redact(PREFECT_API_URL.value() or "")
                raise kind(f"PREFECT_API_URL {url}: {one_line(str(error)) or type(error).__name__}") from None

        return patiently(translated, self._stopping)


class DeployedTrial:
    """A trial that a worker runs."""

    def __init__(self, server: Server, trial: str, flow_run: FlowRun) -> None:
        """Follow `flow_run`."""
        self._server, self._trial, self._id = server, trial, flow_run.id
        self._started, self._said = time.monotonic(), False
        self._crashed_at: float | None = None
        self._stopped_at: float | None = None

    def poll(self) -> Ended | None:
        """Return how it has ended; None while it runs, or waits for a worker."""
        try:
            found = self._server.latest(self._id)
        except ObjectNotFound:
            return Ended(died=False, reason="its flow run was deleted")
        self._id, state, now = found.id, found.state, time.monotonic()
        if state is not None and state.type is StateType.PAUSED:
            return Ended(
                died=False, reason="its flow run is suspended"
            )  # it has trained, and waits for a person's approval
        if self._stopped_at is not None and now - self._stopped_at >= STOP_SECONDS and not (state and state.is_final()):
            # The machine of its worker is gone.
            self._server.cancel(self._id, at_once=True)
            return Ended(died=True, reason=f"did not stop within {STOP_SECONDS:.0f} s")
        if state is None or not state.is_final():
            self._crashed_at = None
            self._say_that_it_waits(found)
            return None
        if state.type is not StateType.CRASHED:
            cancelled = state.type is StateType.CANCELLED
            return Ended(died=False, reason="its flow run was cancelled" if cancelled else state.message or "")
        self._crashed_at = self._crashed_at or now
        if self._stopped_at is not None or now - self._crashed_at >= RECOVERY_SECONDS:
            return Ended(died=True, reason="its process died")
        return None

    def stop(self) -> None:
        """Cancel it, once: its worker sends it a SIGTERM."""
        if self._stopped_at is not None:
            return
        self._stopped_at = time.monotonic()
        self._server.cancel(self._id)

    def _say_that_it_waits(self, found: FlowRun) -> None:
        waits = found.state is not None and found.state.type is StateType.SCHEDULED
        if waits and not self._said and time.monotonic() - self._started >= WORKER_SECONDS:
            self._said = True
            logger.warning("trial %-4s waits for a worker", self._trial)


class DeployedLauncher:
    """Starts trials through the Prefect server."""

    def __init__(self, server: Server, sweep: str) -> None:
        """Nothing is started; `sweep` is the id of the sweep's run."""
        self._server, self._sweep = server, sweep

    def launch(self, trial: str, overrides: Sequence[str], resume: str | None) -> DeployedTrial:
        """Start a trial, or follow what was started of it before and has not ended."""
        name = f"trial {trial} of sweep {self._sweep[:8]}"
        parameters = {"overrides": list(overrides), "resume": resume}
        for attempt in itertools.count(1):
            found = self._server.latest(self._server.run(name, f"{self._sweep}-{trial}-{attempt}", parameters))
            if found.state is None or not found.state.is_final():
                break
        return DeployedTrial(self._server, trial, found)

    def is_settled(self, trial: str) -> bool:
        """Return True: what was started of a trial is followed."""
        return True


def _is_refusal(error: httpx.HTTPError) -> bool:
    """Whether the server has answered, and will not answer otherwise."""
    if not isinstance(error, httpx.HTTPStatusError):
        return False
    code = error.response.status_code
    return 400 <= code < 500 and code not in PASSING


def _has_crashed(flow_run: FlowRun) -> bool:
    return flow_run.state is not None and flow_run.state.type is StateType.CRASHED
