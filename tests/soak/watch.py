"""Samples, while a soak goes on, the memory of its services, the disk that its folders take, and who is champion."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.soak.record import Ledger, Sample

MEMORY_SECONDS, DISK_SECONDS, ALIAS_SECONDS, TRAININGS_SECONDS = 10, 30, 2, 10
MEGABYTE = 1e6


class Watch:
    """Threads that sample until they are stopped.

    Attributes:
        finished: how many trainings had finished when it was last looked.
    """

    def __init__(
        self,
        ledger: Ledger,
        client: MlflowClient,
        services: Callable[[], Mapping[str, list[psutil.Process]]],
        folders: Mapping[str, Path],
    ) -> None:
        """`services` gives the processes that each service has now, the one that stands for it first."""
        self.finished, self._ledger, self._client = 0, ledger, client
        self._services, self._folders = services, folders
        self._first: dict[str, int] = {}
        self._began, self._stopped = time.monotonic(), threading.Event()
        # A thread each: while a server restarts, its client waits.
        every = {self._alias: ALIAS_SECONDS, self._trainings: TRAININGS_SECONDS}
        every |= {self._memory: MEMORY_SECONDS, self._disk: DISK_SECONDS}
        self._threads = [threading.Thread(target=self._run, args=pair, daemon=True) for pair in every.items()]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, sample: Callable[[], None], seconds: float) -> None:
        while not self._stopped.wait(seconds):
            try:
                sample()
            except MlflowException:  # a server that restarts, or no champion yet
                continue
            except Exception as error:  # a thread that ends here would leave the rest of the hour unseen
                if (noted := f"{sample.__name__}: {type(error).__name__}: {error}") not in self._ledger.surprises:
                    self._ledger.surprises.append(noted)

    def _alias(self) -> None:
        champion = int(self._client.get_model_version_by_alias("charrnn", "champion").version)
        if self._ledger.champions[-1:] != [champion]:
            self._ledger.champions.append(champion)

    def _trainings(self) -> None:
        experiments = [one.experiment_id for one in self._client.search_experiments()]
        found = self._client.search_runs(experiments, "attributes.status = 'FINISHED'", max_results=1000)
        self.finished = len(found)

    def _memory(self) -> None:
        for service, processes in self._services().items():
            if self._first.get(service) != processes[0].pid:  # it was started again
                self._first[service], self._ledger.memory[service] = processes[0].pid, []
            self._ledger.memory[service].append(self._sample(sum(map(_memory, processes))))

    def _disk(self) -> None:
        for name, folder in self._folders.items():
            self._ledger.disk.setdefault(name, []).append(self._sample(_size(folder)))

    def _sample(self, size: int) -> Sample:
        return Sample(time.monotonic() - self._began, size / MEGABYTE, self.finished)


def _memory(process: psutil.Process) -> int:
    """Return the memory of a process, that which it shares in equal parts; 0 where it has just ended."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        try:
            size += path.stat().st_blocks * 512
        except OSError:  # removed meanwhile
            continue
    return size
