"""A load of many clients for a long time, with locust (https://locust.io).

    charrnn serve charrnn@champion &
    locust --locustfile benchmarks/locustfile.py --headless --users 64 --run-time 10m --host http://127.0.0.1:8000

At the end, nothing may have failed; `ps -o rss= -p PID` of the server says whether its memory stays flat.
"""

import json
import random
import time

from locust import HttpUser, constant, task

LENGTHS = (1, 50, 500, 5000)


class Client(HttpUser):
    wait_time = constant(0.1)

    @task(8)
    def stream(self) -> None:
        length, seed = random.choice(LENGTHS), random.randrange(1000)
        body = {"prompt": "ROMEO:", "max_tokens": length, "seed": seed, "stream": True}
        started = time.perf_counter()
        with self.client.post("/v1/completions", json=body, stream=True, catch_response=True, name="stream") as answer:
            written, before = 0, started
            for line in answer.iter_lines():
                if not line.startswith(b"data: {"):
                    continue
                now = time.perf_counter()
                name = "between two events" if written else "first character"
                written += len(json.loads(line[6:])["choices"][0]["text"])
                self.environment.events.request.fire(
                    request_type="SSE", name=name, response_time=(now - before) * 1000, response_length=len(line)
                )
                before = now
            if written != length:
                answer.failure(f"{written} characters, not {length}")

    @task(2)
    def whole(self) -> None:
        self.client.post("/v1/completions", json={"prompt": ["ROMEO:", ""], "n": 2, "max_tokens": 100, "logprobs": 2})

    @task(1)
    def score(self) -> None:
        self.client.post("/score", json={"text": "To be, or not to be, that is the question"})

    @task(1)
    def leave(self) -> None:
        body = {"max_tokens": 100_000, "stream": True}
        with self.client.post("/v1/completions", json=body, stream=True, catch_response=True, name="leave") as answer:
            next(answer.iter_lines())
