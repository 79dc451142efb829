"""Trials as processes of this machine, each `charrnn train` out of reach of the terminal's signals."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from flows.sweeps.launched import Ended

PROGRAM = Path(__file__).with_name("local_program.py")
# How long a trial that was asked to stop may take (s).
STOP_SECONDS = 60.0
# Exit codes of a training that was stopped by a signal.
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)


class LocalTrial:
    """A trial that runs in a process of this machine."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, begin: int) -> None:
        """Take over `process`, which writes to the file `log` from byte `begin` on."""
        self._process, self._log, self._begin = process, log, begin
        self._stop_at: float | None = None

    def poll(self) -> Ended | None:
        """Return how it has ended; None while it runs. One that does not stop in time is killed."""
        code = self._process.poll()
        if code is None:
            if self._stop_at is not None and time.monotonic() >= self._stop_at:
                os.killpg(self._process.pid, signal.SIGKILL)
            return None
        assert self._process.stdin is not None
        self._process.stdin.close()
        if code < 0:
            return Ended(died=True, reason=f"its process was ended by {signal.Signals(-code).name}")
        return Ended(died=code in STOPPED, reason=self._error() or f"exit code {code}; see {self._log}")

    def stop(self) -> None:
        """Ask it to stop, once."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + STOP_SECONDS
            self._process.terminate()

    def _error(self) -> str:
        """Return the error's line of the log; '' where there is none."""
        with open(self._log, "rb") as file:
            file.seek(self._begin)
            found = re.findall(r"^error: (.*)$", file.read().decode("utf-8", "replace"), re.MULTILINE)
        return found[-1] if found else ""


class LocalLauncher:
    """Starts trials as processes of this machine."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Nothing is started.

        Args:
            folder: gets a log and a lock for each trial.
            environment: of the processes, beside that of this one.
        """
        self._folder, self._environment = folder, environment

    def launch(self, trial: str, overrides: Sequence[str], resume: str | None) -> LocalTrial:
        """Start a trial."""
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / f"trial-{trial}.log"
        arguments = [part for text in overrides for part in ("--set", text)]
        arguments += [] if resume is None else ["--resume", resume]
        with open(log, "ab") as file:
            begin = file.tell()
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(self._lock(trial)), *arguments],
                env={**os.environ, **self._environment},
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        return LocalTrial(process, log, begin)

    def is_settled(self, trial: str) -> bool:
        """Whether no process of the trial is left; it ends by itself when the sweep that started it has."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self._lock(trial), timeout=0):
                return True
        except Timeout:
            return False

    def _lock(self, trial: str) -> Path:
        return self._folder / f".trial-{trial}.lock"
