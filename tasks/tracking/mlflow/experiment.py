"""The runs of one experiment: started, found, listed."""

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run, RunInfo
from mlflow.utils import get_results_from_paginated_fn

from charrnn.config.redaction import redact
from charrnn.config.schema import DataParams, TrackingParams
from charrnn.data.folder import DataFolder
from charrnn.errors import TrackingError
from charrnn.undecodable import escaped
from tasks.tracking.mlflow.store import Store, StoreError
from tasks.tracking.naming import NEWEST
from tasks.tracking.processes import is_gone, process_tags
from tasks.tracking.runs import FLOW_RUN_TAG, FLOW_RUNS_TAG, EndedRun, RunRef, is_flow_run_id

logger = logging.getLogger("charrnn")

NEWEST_FIRST = ["attributes.start_time DESC"]
# Runs asked for at once.
PAGE = 1000


class Experiment:
    """The experiment that the parameters name, and where its runs keep their files on this machine."""

    def __init__(self, tracking: TrackingParams, data: DataParams) -> None:
        """No request is made.

        Args:
            tracking: names the store and the experiment, and has the tags of new runs.
            data: names the folder with the outbox and the checkpoints of each run.
        """
        self.data = DataFolder(Path(data.directory))
        self._params = tracking

    @cached_property
    def store(self) -> Store:
        """Made at the first use; no request is made."""
        return Store.of(self._params)

    def open(self) -> str:
        """Return the id of the experiment, which is made if it is not there.

        Raises:
            TrackingError: the store does not answer, or the experiment was deleted.
            FileError: the folder of a SQLite store cannot be made or written.
        """
        return self.store.open_experiment(self._params.experiment)

    def start_run(self, name: str, tags: Mapping[str, str]) -> RunRef:
        """Start a run of this process; runs whose process is gone are marked KILLED first. Raises as `open` does."""
        experiment_id = self.open()
        self.store.ask(_end_orphans, experiment_id)
        given = {key: escaped(redact(value)) for key, value in {**tags, **self._params.tags}.items()}
        all_tags = given | process_tags()
        run = self.store.ask_once(MlflowClient.create_run, experiment_id, run_name=escaped(name), tags=all_tags)
        return self._ref(run.info)

    def find_run(self, wanted: str) -> RunRef:
        """Return the run with id `wanted`, or the experiment's newest for `last`, or that of the Prefect flow run.

        Raises:
            TrackingError: there is none, it was deleted, or the store does not answer.
        """
        if wanted == NEWEST:
            runs = self._newest(self.store.experiment_id(self._params.experiment), 1)
            problem = f"last: experiment '{self._params.experiment}' in {self._address} has no run yet"
        elif is_flow_run_id(wanted):
            runs = self.runs_of_flow_run(wanted)
            problem = f"flow run {wanted}: had not come to a run in {self._address}; there is nothing to go on with"
        else:
            return self._ref(self._info(wanted))
        if not runs:
            raise TrackingError(problem)
        return runs[0]

    def runs_of_flow_run(self, flow_run_id: str) -> list[RunRef]:
        """Return the run that the flow run of Prefect has made or gone on with; none where it had not come to one.

        Raises:
            TrackingError: the store does not answer.
        """
        # Only the first of these tags was there before 0.2.
        return self.tagged_runs({FLOW_RUN_TAG: flow_run_id}, 1) or self.tagged_runs(
            {FLOW_RUNS_TAG: f"%{flow_run_id}%"}, 1
        )

    def tagged_runs(self, tags: Mapping[str, str], number: int = PAGE) -> list[RunRef]:
        """Return the newest runs with all `tags`, the newest first; a value may have % for any text.

        Raises:
            TrackingError: the store does not answer.
        """
        where = " and ".join(f"tags.`{key}` LIKE '{value}'" for key, value in tags.items())
        return self._newest(self.store.experiment_id(self._params.experiment), number, where)

    def last_runs(self, number: int) -> list[RunRef]:
        """Return the newest runs, the newest first; none where there is no such experiment. Raises TrackingError."""
        experiment = self.store.find_experiment(self._params.experiment)
        return [] if experiment is None else self._newest(experiment.experiment_id, number)

    def ended_runs(self) -> list[EndedRun]:
        """Return the runs that have ended; none where there is no such experiment. Raises TrackingError."""
        experiment = self.store.find_experiment(self._params.experiment)
        if experiment is None:
            return []

        def page(size: int, token: str | None) -> list[Run]:
            ids = [experiment.experiment_id]
            return self.store.ask(MlflowClient.search_runs, ids, max_results=size, page_token=token)

        runs = get_results_from_paginated_fn(page, PAGE)
        return [
            EndedRun(self._ref(run.info), run.info.run_name, run.info.status, run.info.end_time)
            for run in runs
            if run.info.status != "RUNNING" and run.info.end_time
        ]

    @property
    def _address(self) -> str:
        return redact(self.store.uri)

    def _newest(self, experiment_id: str, number: int, where: str = "") -> list[RunRef]:
        if not experiment_id:
            return []
        runs = self.store.ask(
            MlflowClient.search_runs, [experiment_id], where, order_by=NEWEST_FIRST, max_results=number
        )
        return [self._ref(run.info) for run in runs]

    def _info(self, run_id: str) -> RunInfo:
        try:
            info = self.store.ask(MlflowClient.get_run, run_id).info
        except StoreError as error:
            if not error.refused:
                raise
            raise TrackingError(f"run {run_id}: there is no such run in {self._address}") from None
        if info.lifecycle_stage != "active":
            raise TrackingError(f"run {run_id}: was deleted in {self._address}; restore it or name another")
        return info

    def _ref(self, info: RunInfo) -> RunRef:
        return RunRef(self.store.uri, info.run_id, info.experiment_id, info.start_time, self.data)


def _end_orphans(client: MlflowClient, experiment_id: str) -> None:
    """Mark runs KILLED whose process on this machine is gone: nothing stays RUNNING for ever."""
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
        if is_gone(run.data.tags):
            client.set_terminated(run.info.run_id, status="KILLED")
            logger.warning("run %s was left running by a process that is gone: marked KILLED", run.info.run_id)
