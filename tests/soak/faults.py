"""What goes wrong in a soak, each kind as it does in life, and put right again as people would."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

import psutil

from tests.soak.disk import filled
from tests.soak.record import Ledger
from tests.soak.team import DATABASE, EVERYTHING, FULL_DISK, PAGE, SERVERS, Team
from tests.stack.stack import Stack, until

# How long a disk stays full, and everything suspended (s): longer than a run may be without a heartbeat.
FULL, SUSPENDED = 30.0, 90.0
# How long what is asked for may wait for its turn, and take (s).
TURN = 600.0
# When each happens, as a share of the time. Servers restart in the first half: their memory is seen in the second.
PLAN = (
    (0.08, "training killed"),
    (0.12, "worker killed"),
    (0.16, SERVERS),
    (0.20, FULL_DISK),
    (0.25, "training killed"),
    (0.28, DATABASE),
    (0.33, EVERYTHING),
    (0.40, SERVERS),
    (0.44, "bad challenger"),
    (0.48, "worker killed"),
    (0.53, "training killed"),
    (0.57, PAGE),
    (0.63, FULL_DISK),
    (0.68, "training killed"),
    (0.73, "worker killed"),
    (0.79, EVERYTHING),
    (0.86, "training killed"),
    (0.90, FULL_DISK),
)


class Faults:
    """Injects them, and notes each in the ledger."""

    def __init__(self, team: Team, ledger: Ledger, small_disk: bool) -> None:
        """`small_disk`: whether the stack's folder is on a disk of its own, which may be filled."""
        self._team, self._stack, self._ledger = team, team.stack, ledger
        self._kinds: dict[str, Callable[[], None]] = {
            "training killed": self._training_killed,
            "worker killed": self._worker_killed,
            SERVERS: self._servers_restarted,
            DATABASE: self._database_restarted,
            FULL_DISK: self._disk_full,
            EVERYTHING: self._suspended,
            "bad challenger": self._bad_challenger,
            PAGE: self._html,
        }
        if not small_disk:
            del self._kinds[FULL_DISK]
            ledger.left_out[FULL_DISK] = "only root can mount a small disk"

    def inject(self, kind: str) -> None:
        """Inject a fault; returns when what it did is over, not when everything has recovered from it."""
        if kind not in self._kinds:
            return
        self._ledger.faults[kind] = self._ledger.faults.get(kind, 0) + 1
        with self._ledger.noting(kind), self._team.during(kind):
            self._kinds[kind]()

    def _training_killed(self) -> None:
        process, flow_run = until(lambda: training(self._stack, self._stack.workers), 120, "a training")
        process.kill()
        self._ledger.killed[flow_run] = "training killed"

    def _worker_killed(self) -> None:
        """As when its machine goes away: with its training."""
        # The older of the two, so that each is killed once.
        worker = self._stack.workers[0]
        _, flow_run = until(lambda: training(self._stack, [worker]), 120, "a training of it")
        for process in family(worker.pid):
            with contextlib.suppress(psutil.Error):
                process.kill()
        worker.wait()
        self._ledger.killed[flow_run] = "worker killed"
        self._stack.workers.remove(worker)
        self._stack.start_worker()

    def _servers_restarted(self) -> None:
        self._stack.stop_servers()
        self._stack.start_servers()

    def _database_restarted(self) -> None:
        self._stack.database.stop()
        time.sleep(5)
        self._stack.database.start()

    def _disk_full(self) -> None:
        with filled(self._stack.folder):
            time.sleep(FULL)

    def _suspended(self) -> None:
        """As a laptop whose lid is closed: the clock goes on, and times of the schedule pass."""
        started = (self._stack.server, self._stack.messenger, *self._stack.workers)
        processes = [process for one in started if one for process in family(one.pid)]
        try:
            _signal(processes, signal.SIGSTOP)
            time.sleep(SUSPENDED)
        finally:
            _signal(processes, signal.SIGCONT)

    def _bad_challenger(self) -> None:
        flow_run = self._team.ask(0, "training.max_steps=1")
        self._stack.ends(flow_run, "COMPLETED", TURN)
        run = self._stack.run_of(flow_run)
        self._ledger.bad_challenger = run.info.run_id if run else ""

    def _html(self) -> None:
        with self._team.html():
            self._stack.ends(self._team.ask(0.5), "FAILED", TURN)


def family(number: int) -> list[psutil.Process]:
    """Return a process and all below it."""
    process = psutil.Process(number)
    return [process, *process.children(recursive=True)]


def training(stack: Stack, workers: Sequence[subprocess.Popen[bytes]]) -> tuple[psutil.Process, str] | None:
    """Return a process that trains below one of `workers`, and its flow run; None where there is none."""
    for worker in workers:
        for process in family(worker.pid)[1:]:
            with contextlib.suppress(psutil.Error):
                flow_run = process.environ().get("PREFECT__FLOW_RUN_ID", "")
                if flow_run and "prefect.engine" in process.cmdline() and stack.state(flow_run)["type"] == "RUNNING":
                    return process, flow_run
    return None


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
