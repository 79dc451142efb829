"""A team in short: a text that grows, trainings on a schedule, and people who ask for some."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.stack.stack import Stack
from tests.texts import made_up_play

FIRST, DAY = 60_000, 200  # characters: at first, and of a day
SCHEDULED_EVERY = 40  # s
FULL_DISK, PAGE = "disk full", "page of HTML"
SERVERS, DATABASE, EVERYTHING = "servers restarted", "database restarted", "everything suspended"
STEPS = (40, 100)  # of a training: at first, and at the end, so that there are new champions all the time
# What a site that is down answers with status 200.
HTML = "<!doctype html>\n<html><head><title>Service unavailable</title></head>\n<body>\n" + (
    '<div class="error"><h1>503</h1><p>The server is {busy}; try again (code: 0x5F3759DF).</p></div>\n' * 700
)


class Team:
    """What is asked of the stack.

    Attributes:
        times: when each of what goes wrong for a while began and ended.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack, self.times = stack, dict[str, list[tuple[datetime, datetime]]]()
        self._path = stack.folder / "the text.txt"
        self._text, self._days = made_up_play(FIRST), 0
        self._write(self._text)

    def grow(self) -> None:
        """Add what a day brings."""
        self._days += 1
        self._text += made_up_play(DAY, self._days)
        self._write(self._text)

    @contextlib.contextmanager
    def html(self) -> Iterator[None]:
        """Have a page of HTML in place of the text while the block runs."""
        self._write(HTML)
        try:
            yield
        finally:
            self._write(self._text)

    @contextlib.contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Note when the block began and ended."""
        began = datetime.now(UTC)
        try:
            yield
        finally:
            self.times.setdefault(what, []).append((began, datetime.now(UTC)))

    def ask(self, share: float, *overrides: str) -> str:
        """Ask for a training when `share` of the time is over; return its flow run."""
        return self.stack.ask("pipeline/manual", self._parameters(share, *overrides))

    @contextlib.contextmanager
    def schedule(self) -> Iterator[None]:
        """Have trainings start by themselves while the block runs."""
        address = f"{self.stack.prefect}/api/deployments/{self.stack.deployment('pipeline/nightly')}/schedules"
        times = {"interval": SCHEDULED_EVERY, "anchor_date": "2026-01-01T00:00:00Z"}
        made = httpx.post(address, json=[{"schedule": times, "parameters": self._parameters(0.5), "active": True}])
        (schedule,) = made.raise_for_status().json()
        try:
            yield
        finally:
            httpx.delete(f"{address}/{schedule['id']}").raise_for_status()

    def _parameters(self, share: float, *overrides: str) -> dict[str, Any]:
        first, last = STEPS
        texts = [f"data.sources=['{self._path}']", "data.max_characters=null", "drift.action=stop"]
        texts += [f"data.directory={self.stack.folder}/data", "report.seconds=0"]
        texts += [f"training.max_steps={first + round(min(share, 1) * (last - first))}", *overrides]
        return {"overlays": ["params/smoke.yaml"], "overrides": texts}

    def _write(self, text: str) -> None:
        """At once: who reads the text has the old one or the new one."""
        part = self._path.with_suffix(".next")
        part.write_text(text, encoding="utf-8")
        part.replace(self._path)
