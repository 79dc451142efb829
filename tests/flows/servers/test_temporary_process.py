"""The process of a temporary Prefect server: where it is not wanted, what it keeps where, how it starts and ends."""

import atexit
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from charrnn.data.folder import DataFolder
from flows.servers.temporary_process import ServerProcess, start_server
from tests.workplace import Workplace

SECONDS = 180.0
NO_DATABASE = b"To be, or not to be. " * 1000


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return DataFolder(tmp_path / "the data? 100%")


def started(data: DataFolder) -> ServerProcess:
    server = start_server(data)
    assert server is not None
    return server


def test_where_the_environment_names_a_server_none_is_started(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert start_server(data) is None
    assert not data.path.exists()


def test_it_keeps_to_the_data_folder_answers_and_ends_when_it_is_dismissed(
    data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home of Prefect"
    home.mkdir()
    (home / "prefect.db").write_bytes(NO_DATABASE)
    monkeypatch.setenv("PREFECT_HOME", str(home))
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", f"sqlite+aiosqlite:///{home}/prefect.db")
    registered: list[tuple[Any, ...]] = []
    monkeypatch.setattr(atexit, "register", lambda *call: registered.append(call))
    server = started(data)
    assert server.wait(SECONDS) == ""
    assert httpx.get(f"{server.url}/health", timeout=SECONDS).json() is True
    ((dismiss, process),) = registered
    dismiss(process)
    assert process.wait(30) == 0
    assert [(path.name, path.read_bytes()) for path in home.iterdir()] == [("prefect.db", NO_DATABASE)]

    with sqlite3.connect(data.prefect / "prefect.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'of a later Prefect'")
    database.close()
    assert started(data).wait(SECONDS) == "Can't locate revision identified by 'of a later Prefect'"


def test_one_that_dies_is_noticed_at_once(data: DataFolder) -> None:
    server = started(data)
    server.process.kill()
    assert server.wait(SECONDS) == "ended by SIGKILL"


def test_a_run_whose_server_does_not_start_says_why_in_one_line(tmp_path: Path) -> None:
    place = Workplace(tmp_path, tmp_path / "a text", api_url="")
    home = DataFolder(place.data_folder).prefect
    home.mkdir(parents=True)
    (home / "prefect.db").write_bytes(NO_DATABASE)
    process = place.start(*place.options, "--quiet")
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (2, "")
    why = "(sqlite3.DatabaseError) file is not a database; its log and its database are in"
    assert err == f"error: the temporary Prefect server does not start: {why} {home}, which may be removed\n"
    assert "file is not a database" in (home / "server.log").read_text()
    assert place.runs() == []
