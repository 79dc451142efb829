"""Raw connections to a server, for clients that behave badly."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

HEAD = "POST /v1/completions HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        yield connection


def until_closed(connection: socket.socket) -> bytes:
    """Return all that comes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def until_it_has(wanted: bytes, connection: socket.socket) -> bytes:
    """Return what comes until it has `wanted`."""
    received = bytearray()
    while wanted not in received[-1000:]:
        part = connection.recv(1 << 20)
        assert part, received
        received += part
    return bytes(received)


def is_answered(address: str) -> bool:
    return httpx.post(f"{address}/v1/completions", json={"prompt": "a"}).status_code == 200
