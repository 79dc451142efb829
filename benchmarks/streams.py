"""Clients of the completions server, as a program: `python benchmarks/streams.py PORT CLIENTS LENGTH TIMES`.

All clients ask at the same time for a stream of LENGTH characters, TIMES times one after the other; what they saw is
written to standard output as JSON. Imports nothing slow: its start must not disturb the server.
"""

import asyncio
import itertools
import json
import sys
import time
from dataclasses import asdict, dataclass

REQUEST = (
    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    "Content-Length: {}\r\n\r\n{}"
)


@dataclass(frozen=True)
class Arrival:
    """When the characters of a stream came.

    Attributes:
        characters: of the whole text (count).
        first: from the request to the first character (s).
        gaps: between one event with characters and the next (s).
    """

    characters: int
    first: float
    gaps: list[float]


async def _stream(port: int, length: int, seed: int) -> Arrival:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"prompt": "\n", "max_tokens": length, "seed": seed, "stream": True})
    started = time.perf_counter()
    writer.write(REQUEST.format(len(body), body).encode())
    times, characters = [], 0
    while line := await reader.readline():
        if line.startswith(b"data: {"):
            times.append(time.perf_counter())
            characters += len(json.loads(line[6:])["choices"][0]["text"])
    writer.close()
    return Arrival(characters, times[0] - started, [after - before for before, after in itertools.pairwise(times)])


async def _all(port: int, clients: int, length: int, times: int) -> list[Arrival]:
    found: list[Arrival] = []
    for _ in range(times):
        found += await asyncio.gather(*(_stream(port, length, seed) for seed in range(clients)))
    return found


if __name__ == "__main__":
    started = time.perf_counter()
    arrivals = asyncio.run(_all(*map(int, sys.argv[1:])))
    print(json.dumps([time.perf_counter() - started, [asdict(arrival) for arrival in arrivals]]))
