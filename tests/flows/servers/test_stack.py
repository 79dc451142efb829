"""`charrnn server` where it cannot start; that it serves is in tests/stack/test_stack.py."""

import socket
from pathlib import Path

import pytest

from charrnn.config.sqlite_address import sqlite_file
from flows.servers.stack import Stack
from tests.workplace import captured

DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"


def test_what_does_not_start_is_told_with_its_log_and_nothing_is_left_running(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = ["--directory", str(tmp_path), "--prefect-port", port, "--mlflow-port", "1"]
        answer = captured("server", *arguments)
    assert answer.code == 2
    assert answer.err == f"error: prefect does not start; see {tmp_path}/prefect.log\n"
    assert (tmp_path / "prefect.log").read_text()


def test_without_a_project_their_data_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.config.loading.BASE_FILE", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = captured("server", "--prefect-port", port, "--mlflow-port", "1")
    assert answer.err == f"error: prefect does not start; see {tmp_path}/server/prefect.log\n"


def test_its_programs_get_databases_in_any_folder_and_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", DATABASE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    stack = Stack(tmp_path / "what? #%41", "10.0.0.7", "1", "2", "3", None, None, worker=False)
    assert stack.environment["NO_PROXY"] == "localhost,127.0.0.1,::1,10.0.0.7"
    assert sqlite_file(stack.environment[DATABASE]) == stack.folder / "prefect" / "prefect.db"
    mlflow = stack.commands["mlflow"]
    assert sqlite_file(mlflow[mlflow.index("--backend-store-uri") + 1]) == stack.folder / "mlflow.db"
    monkeypatch.setenv(DATABASE, "postgresql+asyncpg://host/prefect")
    assert stack.environment[DATABASE] == "postgresql+asyncpg://host/prefect"
