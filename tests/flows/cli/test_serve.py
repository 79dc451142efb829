"""`charrnn serve`: what is refused before it serves, how it ends, and what it says; a process of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from openai import OpenAI

from charrnn.config.loading import PROJECT
from tests.documents_model import save_documents_model
from tests.workplace import captured


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_documents_model(tmp_path / "a model.ckpt", "abcdef", "data.documents=none")


@dataclass
class Serving:
    """A server in a process."""

    process: subprocess.Popen[str]
    line: str

    @property
    def address(self) -> str:
        return self.line.partition(";")[0].rpartition(" ")[2]

    def ended(self) -> tuple[int, str]:
        """Return the exit code and what it has written to standard error."""
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


@contextmanager
def serving(*arguments: str, environment: Mapping[str, str] = os.environ) -> Iterator[Serving]:
    command = [sys.executable, str(PROJECT / "flows" / "serve.py"), *arguments, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield Serving(process, process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_runs_finish_and_ends_it_well(number: signal.Signals, checkpoint: Path) -> None:
    with serving(str(checkpoint)) as server:
        assert re.fullmatch(r"serves a model on http://127\.0\.0\.1:\d+; Ctrl-C stops it\n", server.line)
        with OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
            streamed = client.completions.create(model="a model", prompt="a", max_tokens=15_000, stream=True)
            events = [next(streamed)]
            server.process.send_signal(number)
            events += streamed
        assert sum(len(event.choices[0].text) for event in events) == 15_000
        assert server.ended() == (0, "")


def test_a_client_that_holds_its_connection_does_not_hold_the_end(checkpoint: Path) -> None:
    with serving(str(checkpoint)) as server:
        host, port = server.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as idle, socket.create_connection((host, int(port))) as slow:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            idle.recv(1000)
            slow.sendall(b"POST /score HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n{")
            server.process.send_signal(signal.SIGTERM)
            assert server.ended() == (0, "")


SLOW = """
import sys, time
from pathlib import Path
import charrnn.completions.app as app
from flows.cli.app import app as command
begun, *arguments = sys.argv[1:]
app.score_answer = lambda *_: (Path(begun).touch(), time.sleep(600))
sys.argv = ["charrnn", "serve", *arguments]
command()
"""


def test_work_that_does_not_end_does_not_hold_the_end(checkpoint: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    command = [sys.executable, "-c", SLOW, str(begun), str(checkpoint), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT)
    try:
        assert process.stdout is not None
        server = Serving(process, process.stdout.readline())
        with ThreadPoolExecutor(8) as clients:
            url = f"{server.address}/score"
            answers = [clients.submit(httpx.post, url, json={"text": "abc"}, timeout=60) for _ in range(8)]
            while not begun.exists():
                assert process.poll() is None
                time.sleep(0.02)
            process.terminate()
            assert {answer.result().status_code for answer in answers} == {503}
        assert server.ended() == (0, "")
    finally:
        process.kill()
        process.communicate()


def test_the_token_comes_from_a_file_or_the_environment_and_is_shown_nowhere(checkpoint: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-a-file\n", encoding="utf-8")
    environment = {**os.environ, "CHARRNN_API_KEY": "from-the-environment"}
    for arguments, token in (([], "from-the-environment"), (["--api-key-file", str(file)], "from-a-file")):
        with serving(str(checkpoint), *arguments, environment=environment) as server:
            assert httpx.get(f"{server.address}/v1/models").status_code == 401
            headers = {"Authorization": f"Bearer {token}"}
            assert httpx.get(f"{server.address}/v1/models", headers=headers).status_code == 200
            server.process.terminate()
            code, err = server.ended()
        assert (code, token in server.line + err) == (0, False)


def test_who_may_be_reached_by_all_is_warned(checkpoint: Path) -> None:
    with serving(str(checkpoint), "--host", "0.0.0.0") as server:
        server.process.terminate()
        code, err = server.ended()
    assert code == 0
    assert err == "warning: --host 0.0.0.0: whoever reaches this address can use the model; no token is asked for\n"


def refused(*arguments: str) -> str:
    answer = captured("serve", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1
    return answer.err.removeprefix("error: ").removesuffix("\n")


def test_a_port_that_is_in_use_is_said_in_one_line(checkpoint: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        expected = f"--port {port}: cannot listen on 127.0.0.1: Address already in use"
        assert refused(str(checkpoint), "--port", port) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["last", "--port", "70000"], "--port: must be 0 to 65535, got 70000"),
        (["last", "--wait"], "--wait: only with a registered model, got last"),
        (["last", "--host", "256.0.0.1", "--port", "0"], "--host 256.0.0.1: Name or service not known"),
        (["last", "--host", "\udcff"], "--host \\xff: must be a host name or an address"),
        (["last", "--host", "a" * 300], f"--host {'a' * 80}: must be a host name or an address"),
        (["last", "--host", "a..b"], "--host a..b: must be a host name or an address"),
        (["nobody.ckpt", "--port", "0"], "nobody.ckpt: cannot read checkpoint: No such file or directory"),
        (["last", "--api-key-file", "nobody"], "nobody: cannot read the token: No such file or directory"),
    ],
)
def test_what_cannot_be_served_is_refused(arguments: list[str], message: str) -> None:
    assert refused(*arguments) == message


@pytest.mark.parametrize("token", ["", "two words", "é", "a\x00b"])
def test_a_token_that_no_header_can_hold_is_refused(token: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token, encoding="utf-8")
    message = f"--api-key-file {file}: must be one word of printable ASCII characters"
    assert refused("last", "--api-key-file", str(file)) == message
