"""PostgreSQL for tests: its programs, started on a free port."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from tests.ports import free_port

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(shutil.which("postgres") or "/nowhere").parent]
POSTGRES = PROGRAMS[-1]


class Database:
    """PostgreSQL with a database each for MLflow and Prefect; it refuses to run as root."""

    def __init__(self) -> None:
        # Not in pytest's folders, which are closed to other users.
        self.data, self.port = Path(tempfile.mkdtemp(prefix="charrnn-postgres-")), free_port()
        self.user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        self.where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "charrnn")
        if self.user:
            shutil.chown(self.data, 65534, 65534)
        self._run("initdb", "-D", self.data, "-U", "charrnn", "--auth=trust", "-E", "UTF8", "--no-sync")
        self.start()
        for name in ("mlflow", "prefect"):
            self._run("createdb", *self.where, name)

    def start(self) -> None:
        # A cache that is soon full, so that a process that grows after it does so for another reason.
        options = f"-h 127.0.0.1 -p {self.port} -c unix_socket_directories= -c shared_buffers=32MB"
        self._run("pg_ctl", "-D", self.data, "-l", self.data / "log", "-o", options, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def back_up(self, folder: Path) -> None:
        for name in ("mlflow", "prefect"):
            with open(folder / f"{name}.dump", "wb") as dump:
                self._run("pg_dump", *self.where, "--format=custom", name, output=dump)

    def restore(self, folder: Path) -> None:
        """Into empty databases: what was there is gone."""
        for name in ("mlflow", "prefect"):
            self._run("dropdb", *self.where, name)
            self._run("createdb", *self.where, name)
            with open(folder / f"{name}.dump", "rb") as dump:
                self._run("pg_restore", *self.where, f"--dbname={name}", source=dump)

    def address(self, name: str, driver: str) -> str:
        return f"postgresql+{driver}://charrnn@127.0.0.1:{self.port}/{name}"

    def ask(self, name: str, query: str) -> str:
        """Return what the database `name` answers, a line for each row."""
        command = [str(POSTGRES / "psql"), *self.where, name, "--no-psqlrc", "-tAc", query]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout.strip()

    def _run(
        self, program: str, *arguments: object, source: IO[bytes] | None = None, output: IO[bytes] | None = None
    ) -> None:
        command = [*self.user, str(POSTGRES / program), *map(str, arguments)]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, stdin=source or quiet, stdout=output or quiet, stderr=quiet, cwd="/")
