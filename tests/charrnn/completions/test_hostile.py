"""Clients that send slowly, leave, or do not read, on raw sockets: they hold nobody, and their place is free again."""

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from charrnn.completions import server
from charrnn.completions.app import create_app
from charrnn.completions.protocol import MAX_LENGTH
from charrnn.completions.shelf import OneModel
from tests.charrnn.completions.models import figures, running, served, until, until_idle
from tests.charrnn.completions.sockets import HEAD, connected, is_answered, until_closed, until_it_has


@pytest.fixture
def address() -> Iterator[str]:
    # Two texts at a time, and one that waits.
    with running(create_app(OneModel(served()), places=2, queue=1)) as address:
        yield address


def asked(connection: socket.socket, **fields: object) -> None:
    body = json.dumps(fields)
    connection.sendall(f"{HEAD}Content-Length: {len(body)}\r\n\r\n{body}".encode())


@pytest.mark.parametrize("stream", [True, False])
def test_who_leaves_in_the_middle_frees_the_place_at_once(stream: bool, address: str) -> None:
    with connected(address) as connection:
        asked(connection, max_tokens=MAX_LENGTH, stream=stream, n=2)
        if stream:
            connection.recv(1000)
        else:
            until(lambda: figures(address)["charrnn_texts_running"])
    until_idle(address)
    assert figures(address)["charrnn_characters_total"] < 2 * MAX_LENGTH
    assert is_answered(address)


def test_who_leaves_the_queue_is_never_written(address: str) -> None:
    with connected(address) as first:
        asked(first, max_tokens=MAX_LENGTH, stream=True, n=2)
        first.recv(1000)
        with connected(address) as second:
            asked(second, max_tokens=MAX_LENGTH)
            until(lambda: figures(address)["charrnn_texts_waiting"])
        until(lambda: not figures(address)["charrnn_texts_waiting"])
        assert figures(address)["charrnn_texts_running"] == 2
    until_idle(address)


def test_beyond_the_queue_a_request_is_told_to_come_again(address: str) -> None:
    with connected(address) as first, connected(address) as second:
        asked(first, max_tokens=MAX_LENGTH, stream=True, n=2)
        first.recv(1000)
        asked(second, max_tokens=MAX_LENGTH)
        until(lambda: figures(address)["charrnn_texts_waiting"])
        answer = httpx.post(f"{address}/v1/completions", json={})
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        assert answer.json()["error"]["type"] == "rate_limit_error"
        assert answer.json()["error"]["code"] == "queue_full"


def test_who_does_not_read_holds_nobody() -> None:
    texts, prompt = 100, "😀" * 9000  # with 12 bytes a character, more than sockets hold
    with running(create_app(OneModel(served()))) as address, connected(address) as connection:
        asked(connection, prompt=prompt, n=texts, max_tokens=50, echo=True, stream=True)
        assert is_answered(address)
        until_idle(address)  # what is not read waits outside the engine
        received = until_it_has(b"[DONE]", connection)
    assert len(received) > 10_000_000
    assert received.count(b'"finish_reason":"length"') == texts


@pytest.mark.parametrize("what", ["stream", "document", "pages"])
def test_who_takes_nothing_for_too_long_is_given_up(
    what: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server, "TAKE_SECONDS", 0.2)
    lost: list[object] = []
    connection_lost = server._ImpatientProtocol.connection_lost

    def lose(protocol: server._ImpatientProtocol, why: Exception | None) -> None:
        lost.append(protocol)
        connection_lost(protocol, why)

    monkeypatch.setattr(server._ImpatientProtocol, "connection_lost", lose)
    with running(create_app(OneModel(served()))) as address, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        host, _, port = address.removeprefix("http://").partition(":")
        connection.connect((host, int(port)))
        if what == "pages":
            connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: here\r\n\r\n" * 500)
        else:
            asked(connection, prompt="😀" * 9000, n=100, max_tokens=50, echo=True, stream=what == "stream")
        until(lambda: lost, 30)
        until_idle(address)
        assert is_answered(address)
    assert capfd.readouterr().err == ""


def test_who_takes_a_little_at_a_time_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "TAKE_SECONDS", 0.5)
    with running(create_app(OneModel(served()))) as address, connected(address) as connection:
        asked(connection, prompt="😀" * 9000, n=100, max_tokens=50, echo=True)
        received = 0
        for _ in range(20):
            received += len(connection.recv(400_000))
            time.sleep(0.1)
        head = 200
        while received < 100 * 9000 * 12 + head:
            part = connection.recv(1 << 20)
            assert part
            received += len(part)


def test_who_sends_the_head_byte_by_byte_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    with connected(address) as connection:
        connection.sendall(b"POST /v1/comp")
        assert until_closed(connection) == b""
    with connected(address) as connection:
        asked(connection, max_tokens=1)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.sendall(b"POST")  # on the same connection
        until_closed(connection)
    assert is_answered(address)


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00", b"GET /\r\n\r\n", b"POST /v1/completions HTTP/1.1\r\nContent-Length: -1\r\n\r\n"]
)
def test_what_is_no_request_is_refused_and_the_server_goes_on(sent: bytes, address: str) -> None:
    with connected(address) as connection:
        connection.sendall(sent + b"\r\n\r\n")
        assert until_closed(connection).startswith(b"HTTP/1.1 400 ")
    assert is_answered(address)
