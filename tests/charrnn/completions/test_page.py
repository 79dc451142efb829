"""The page of the model, as the server gives it."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from charrnn.completions import app, shelf
from charrnn.completions.app import create_app
from charrnn.completions.shelf import OneModel
from charrnn.export import page as export
from charrnn.export.page import model_page
from charrnn.generation.writer import Writer
from tests.browser import opened
from tests.charrnn.completions.models import running, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_the_page_of_the_model_opens_and_writes(browser: "Browser") -> None:
    with running(create_app(OneModel(served()))) as address, opened(browser, address) as page:
        page.locator("#alternatives button").first.wait_for()
        page.fill("#length", "20")
        page.click("#write")
        page.locator("#status", has_text="20 characters").wait_for()


def test_the_page_is_made_once_however_many_ask_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def making(writer: Writer, title: str) -> str:
        made.append(title)
        return model_page(writer, title)

    for module in (app, shelf):
        monkeypatch.setattr(module, "model_page", making, raising=False)
    with running(create_app(OneModel(served()))) as address, ThreadPoolExecutor(8) as several:
        pages = set(several.map(lambda _: httpx.get(address).text, range(8)))
    assert (len(pages), made) == (1, ["tiny"])


def test_a_model_that_has_no_page_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LARGEST", 1000)
    with running(create_app(OneModel(served()))) as address:
        answer = httpx.get(address)
    assert answer.status_code == 404
    assert " has no page: the page would have " in answer.json()["error"]["message"]
