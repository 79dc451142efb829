import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.pages import as_json, page
from tests.browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "</script><script>throw 1</script><!--<script>\u2028\x00\x07\u202eabc\U0001f600\ud800&amp;"


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_json_in_a_page_is_the_text_and_cannot_end_its_element(text: str) -> None:
    written = as_json({"text": text})
    assert written.isascii()
    assert not set(written) & set("<>&")
    assert json.loads(written) == {"text": text}


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json([float("nan")])


def test_hostile_text_is_shown_and_not_run(browser: "Browser", tmp_path: Path) -> None:
    show = 'document.querySelector("main").textContent = readData("text");'
    path = tmp_path / "page.html"
    path.write_text(page(HOSTILE, "<main></main>", styles=[], scripts=[show], data={"text": HOSTILE}), "utf-8")
    with opened(browser, path) as shown:
        assert shown.locator("main").evaluate("it => it.textContent") == HOSTILE


@pytest.mark.parametrize("source", ["https://example.com/a.png", "data:text/html,x"])
def test_a_page_loads_nothing_from_elsewhere(browser: "Browser", tmp_path: Path, source: str) -> None:
    path = tmp_path / "page.html"
    add = f'const frame = document.createElement("iframe"); frame.src = "{source}"; document.body.append(frame);'
    path.write_text(page("t", "", styles=[], scripts=[add]), "utf-8")
    with pytest.raises(AssertionError, match="Content Security Policy"), opened(browser, path) as shown:
        shown.wait_for_timeout(200)


def test_what_cannot_be_seen_is_shown_by_a_sign(browser: "Browser", tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page("t", "", styles=[], scripts=[]), "utf-8")
    with opened(browser, path) as shown:
        signs = shown.evaluate(r'["\n", " ", "\u0007", "\u202e", "a", "\u0301", "\ud800", ""].map(visible)')
    assert signs == ["↵", "·", "U+0007", "U+202E", "a", "◌\u0301", "U+D800", "⏹"]
