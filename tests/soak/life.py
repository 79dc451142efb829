"""An hour in the life of a stack: what is asked of it, what goes wrong meanwhile, and what is there in the end."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from charrnn.config.loading import PROJECT
from flows.deployed.recovery import MISSED_AFTER
from tests.ports import free_port
from tests.soak.disk import small_disk
from tests.soak.faults import PLAN, Faults, family
from tests.soak.load import Load
from tests.soak.reading import read, unended
from tests.soak.record import Ledger
from tests.soak.team import Team
from tests.soak.watch import Watch
from tests.stack.stack import Stack, until

WORKERS = 2
DAY_SECONDS = 15.0
# How long everything may take to come to its end after the last training was asked for (s).
PATIENCE = 1200.0
# Who has waited so long for a training asks for the next (s); a soak whose trainings do not finish ends after so many
# times its minutes.
IMPATIENCE, LONGEST = 180.0, 2.0
# How often the server of the champion asks who that is (s).
FOLLOWS = 5.0
# In the environment of every process of a soak, so that those that are left at its end can be told.
MARK = "CHARRNN_SOAK"


def live(folder: Path, minutes: float, ledger: Ledger, logs: Path) -> None:
    """Have a stack in `folder` for so many minutes, and until the trainings that were asked for have finished.

    What its programs have said is in the folder `logs` afterwards.
    """
    os.environ[MARK] = mark = uuid.uuid4().hex
    with small_disk(folder) as small:
        stack = Stack(folder)
        try:
            stack.deploy()
            stack.expect_soon()
            stack.start_messenger()
            for _ in range(WORKERS):
                stack.start_worker()
            _live(stack, ledger, minutes, small)
        finally:
            with ledger.noting("the end of the stack"):
                stack.close()
            with ledger.noting("the logs"):
                logs.mkdir(parents=True, exist_ok=True)
                for path in (*folder.glob("*.log"), *folder.glob("server/*.log")):
                    shutil.copy(path, logs)
            for process in marked(mark):
                with contextlib.suppress(psutil.Error):
                    ledger.orphans.append(" ".join(process.cmdline()))
                    process.kill()
        ledger.leftovers += [str(path) for path in folder.rglob("*.part")]


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes that this soak started and that still run."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _live(stack: Stack, ledger: Ledger, minutes: float, small: bool) -> None:
    team = Team(stack)
    faults = Faults(team, ledger, small)
    began = time.monotonic()
    with _champion_served(stack, ledger) as served:
        folders = {"database": stack.database.data / "base", "artifacts": stack.folder / "server" / "artifacts"}
        folders |= {"data": stack.folder / "data"}
        watch = Watch(ledger, stack.client, lambda: _services(stack, served), folders)
        with ledger.noting("the schedule"), team.schedule():
            _days(team, ledger, faults, served, watch, minutes)
        _say(began, "what was asked for comes to its end", watch)
        with ledger.noting("the end of every flow run"):
            until(lambda: not unended(stack), PATIENCE, "the end of every flow run")
        # The next night: its run asks for crashes of which the server did not hear.
        time.sleep(MISSED_AFTER.total_seconds())
        with ledger.noting("the next night"):
            team.ask(1)
            until(lambda: not unended(stack), PATIENCE, "the end of every flow run")
        time.sleep(4 * FOLLOWS)
        ledger.minutes = (time.monotonic() - began) / 60
        watch.stop()
        with ledger.noting("what the stores hold"):
            read(stack, team, ledger)


def _days(team: Team, ledger: Ledger, faults: Faults, served: "_Served", watch: Watch, minutes: float) -> None:
    """Let the text grow, ask for trainings, and inject the faults when their time has come."""
    plan = [(60 * minutes * share, kind) for share, kind in PLAN]
    began, grown = time.monotonic(), 0.0
    asked, since = "", 0.0
    while (now := time.monotonic() - began) < 60 * minutes or watch.finished < ledger.asked:
        if now > 60 * minutes * LONGEST:
            break
        if now - grown >= DAY_SECONDS:
            team.grow()
            grown = now
        if plan and now >= plan[0][0]:
            _say(began, plan[0][1], watch)
            faults.inject(plan.pop(0)[1])
        with contextlib.suppress(httpx.HTTPError):  # what has just restarted may not answer yet
            if not asked or now - since > IMPATIENCE or not unended(team.stack, asked):
                asked, since = team.ask(now / (60 * minutes)), now
        served.ask_if_ready()
        time.sleep(1)
    ledger.surprises += [f"{kind}: not injected, the time was over" for _, kind in plan]


def _say(began: float, what: str, watch: Watch) -> None:
    print(f"{(time.monotonic() - began) / 60:5.1f} min  {watch.finished:4} trainings  {what}", flush=True)


@dataclass
class _Served:
    """The server of the champion, and those that ask it."""

    address: str
    process: subprocess.Popen[bytes]
    ledger: Ledger
    load: Load | None = None

    def ask_if_ready(self) -> None:
        """Begin to ask it once there is a champion."""
        if self.load is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.address}/readyz", timeout=5, trust_env=False).is_success:
                    self.load = Load(self.address, self.ledger)


@contextlib.contextmanager
def _champion_served(stack: Stack, ledger: Ledger) -> Iterator[_Served]:
    """Serve the champion while the block runs, beside the stack, which restarts."""
    port = free_port()
    command = [sys.executable, str(PROJECT / "flows" / "serve.py"), "charrnn@champion", "--wait", "--port", str(port)]
    environment = {**stack.environment, "MLFLOW_TRACKING_URI": stack.mlflow}
    with open(stack.folder / "serve.log", "wb") as log:
        process = subprocess.Popen(command, cwd=stack.folder, env=environment, stdout=log, stderr=log)
    served = _Served(f"http://127.0.0.1:{port}", process, ledger)
    try:
        yield served
        with ledger.noting("the end of the server of the champion"):
            if served.load:
                served.load.stop()
            process.terminate()
            if code := process.wait(30):
                ledger.failures.append(f"the server has ended with exit code {code}")
    finally:
        process.kill()
        process.wait()


def _services(stack: Stack, served: _Served) -> dict[str, list[psutil.Process]]:
    """Return the processes of each service that runs now, the one that stands for it first."""
    found: dict[str, list[psutil.Process]] = {}
    with contextlib.suppress(psutil.Error, OSError):
        found["charrnn serve"] = family(served.process.pid)
        found["worker"] = [psutil.Process(stack.workers[0].pid)]  # not its trainings
        found["PostgreSQL"] = family(int((stack.database.data / "postmaster.pid").read_text().split()[0]))
        assert stack.server is not None
        for process in psutil.Process(stack.server.pid).children():
            words = {Path(word).name for word in process.cmdline()}
            for service, name in (("Prefect", "prefect"), ("MLflow", "mlflow")):
                if name in words:
                    found[service] = family(process.pid)
    return found
