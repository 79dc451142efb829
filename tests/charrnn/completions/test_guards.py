"""Who may ask, and how much and how slowly a client may send."""

from collections.abc import Iterator

import httpx
import openai
import pytest
from openai import OpenAI

from charrnn.completions.app import create_app
from charrnn.completions.guards import MAX_BODY, Bodies
from charrnn.completions.shelf import OneModel
from tests.charrnn.completions.models import figures, running, served
from tests.charrnn.completions.sockets import HEAD, connected, is_answered, until_closed, until_it_has

TOKEN = "a-token"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running(create_app(OneModel(served()), TOKEN)) as address:
        yield address


@pytest.fixture(scope="module")
def without_token() -> Iterator[str]:
    with running(create_app(OneModel(served()))) as address:
        yield address


@pytest.mark.parametrize("key", ["another", f"{TOKEN}x", "é"])
def test_without_the_token_nothing_is_answered(key: str, address: str) -> None:
    headers = {b"Authorization": f"Bearer {key}".encode()}
    for path in ("/v1/models", "/", "/docs", "/openapi.json", "/metrics", "/nowhere"):
        answer = httpx.get(f"{address}{path}", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "authentication_error"
    assert httpx.get(f"{address}/v1/models").status_code == 401
    client = OpenAI(base_url=f"{address}/v1", api_key="another", max_retries=0)
    with client, pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_who_sends_a_body_byte_by_byte_holds_no_place_and_is_given_up() -> None:
    app = Bodies(create_app(OneModel(served()), places=1, queue=0), seconds=0.5)
    with running(app) as address, connected(address) as connection:
        connection.sendall(f"{HEAD}Content-Length: 100\r\n\r\n{{".encode())
        assert is_answered(address)
        assert figures(address)["charrnn_texts_running"] == 0
        answer = until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the body must arrive within 0.5 seconds" in answer


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(declared: bool, without_token: str) -> None:
    with connected(without_token) as connection:
        if declared:
            connection.sendall(f"{HEAD}Content-Length: {MAX_BODY + 1}\r\n\r\n".encode())
        else:
            connection.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(MAX_BODY // 65536 + 1):
                connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
        answer = until_it_has(f"the body must have at most {MAX_BODY} bytes".encode(), connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert is_answered(without_token)
