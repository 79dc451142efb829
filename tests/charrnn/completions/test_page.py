"""The page of the model, as the server gives it."""

from typing import TYPE_CHECKING

import httpx
import pytest

from charrnn.completions.app import create_app
from charrnn.completions.shelf import OneModel
from charrnn.export import page as export
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


def test_a_model_that_has_no_page_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LARGEST", 1000)
    with running(create_app(OneModel(served()))) as address:
        answer = httpx.get(address)
    assert answer.status_code == 404
    assert " has no page: the page would have " in answer.json()["error"]["message"]
