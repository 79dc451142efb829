from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from charrnn.completions.app import create_app
from charrnn.completions.shelf import OneModel
from tests.browser import opened
from tests.charrnn.completions.models import running, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running(create_app(OneModel(served("<script>alert(1)</script>")))) as address:
        yield address


@pytest.mark.parametrize("width", [1200, 390])
def test_the_protocol_is_readable_without_scripts_and_fits_the_window(
    browser: "Browser", address: str, width: int
) -> None:
    with opened(browser, f"{address}/docs", width=width) as page:
        text = page.inner_text("main")
        assert "POST /v1/completions" in text
        assert "integer, 0 to 100,000" in text
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_page_of_a_model_shows_its_name_as_text(browser: "Browser", address: str) -> None:
    with opened(browser, address) as page:
        assert page.inner_text("h1") == "<script>alert(1)</script>"
