"""`charrnn server` where it cannot start; that it serves is in tests/stack/test_stack.py."""

import socket
from pathlib import Path

import pytest

from tests.workplace import captured


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
