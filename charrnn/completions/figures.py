"""The figures of a server, as Prometheus reads them; https://prometheus.io/docs/practices/naming/."""

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from charrnn.completions.engine import Engine

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends (s)."""
OTHER = "other"
"""Stands for paths that there are not: a client must not be able to make figures without end."""


class Figures:
    """Counts what a server does, in a registry of its own."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._registry = CollectorRegistry()
        self._requests = Counter("charrnn_requests", "Requests answered.", ("path", "status"), registry=self._registry)
        self._first = Histogram(
            "charrnn_first_character_seconds",
            "From a request for texts to the first character of one of them.",
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._between = Histogram(
            "charrnn_between_characters_seconds",
            "Between new characters of an answer and the new characters before them; those sent together count once.",
            buckets=BUCKETS,
            registry=self._registry,
        )

    def watch(self, engine: Engine) -> None:
        """Tell what `engine` does, too."""
        self._registry.register(_Running(engine))

    def text(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        return generate_latest(self._registry)

    def answered(self, path: str, status: int) -> None:
        """Count an answer."""
        self._requests.labels(path, str(status)).inc()

    def arrivals(self) -> "Arrivals":
        """Return what the characters of an answer are told to, from now on."""
        return Arrivals(self._first, self._between)


class Arrivals:
    """Times the characters of one answer."""

    def __init__(self, first: Histogram, between: Histogram) -> None:
        """Begin now."""
        self._first, self._between = first, between
        self._before = time.perf_counter()
        self._begun = False

    def arrive(self) -> None:
        """Take the time: some characters were sent."""
        now = time.perf_counter()
        (self._between if self._begun else self._first).observe(now - self._before)
        self._before, self._begun = now, True


class Counting:
    """Counts every answer, by path and status."""

    def __init__(self, app: ASGIApp, figures: Figures) -> None:
        """Stand before `app`."""
        self._app, self._figures = app, figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let `app` answer."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._figures.answered(getattr(scope.get("route"), "path", OTHER), message["status"])
            await send(message)

        await self._app(scope, receive, counted if scope["type"] == "http" else send)


class _Running(Collector):
    """What the engine says of itself when it is asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily("charrnn_characters", "Characters written.", value=self._engine.characters)
        yield GaugeMetricFamily("charrnn_texts_running", "Texts that have a place.", value=self._engine.running)
        yield GaugeMetricFamily("charrnn_texts_waiting", "Texts that wait for a place.", value=self._engine.waiting)
