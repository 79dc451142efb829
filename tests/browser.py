"""Chromium as a fixture: Debian's, driven by Playwright, where there is one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


# Of a module, not of the session: while Playwright runs, its thread has an event loop, which Prefect takes for its own.
@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield started
        started.close()


@contextmanager
def opened(browser: "Browser", address: str | Path, *, dark: bool = False, width: int = 1200) -> "Iterator[Page]":
    """Open a page, or a file, in a window of its own, and check at the end that its console shows no error."""
    problems: list[str] = []
    context = browser.new_context(color_scheme="dark" if dark else "light", viewport={"width": width, "height": 900})
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address.absolute().as_uri() if isinstance(address, Path) else address)
    yield page
    context.close()
    assert problems == []
