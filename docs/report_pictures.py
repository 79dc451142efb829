"""Makes docs/report_heat_map.png and docs/report_cells.png: two sections of a run's report, in a real browser.

Needs `pip install playwright` and Chromium; see `python docs/report_pictures.py --help`.
"""

import argparse
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

WIDTH, HEIGHT = 900, 1000
PICTURES = {"surprisal": "heat_map", "cells": "cells"}
# The character that is pointed at.
DEAREST = "(() => { const bits = readData('surprisal').typical.bits.slice(0, 300); "
DEAREST += "return bits.indexOf(Math.max(...bits)); })()"
MOST = 820  # of a picture's height (pixels)


def picture(page: Page, section: str, output: Path) -> None:
    """Write the visible beginning of a section, its heading and its text, as a PNG."""
    page.locator(f"#{section}").scroll_into_view_if_needed()
    page.evaluate("id => document.getElementById(id).scrollIntoView()", section)
    box = page.locator(f"#{section}").bounding_box()
    assert box is not None
    height = min(box["height"] + 8, MOST)
    page.screenshot(path=str(output), clip={"x": 0, "y": max(0, box["y"]), "width": WIDTH, "height": height})


def main() -> None:
    """Take the pictures that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="a page that charrnn report made")
    parser.add_argument("--browser", default="/usr/bin/chromium", help="path of Chromium or Chrome")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.browser, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1.5, color_scheme="light"
        )
        page.goto(arguments.report.absolute().as_uri())
        # Shorter texts, so that a section with what is said below its text is one picture.
        page.add_style_tag(content=".text { max-height: 15rem !important; } section { margin-bottom: 4rem; }")
        for section, name in PICTURES.items():
            page.locator(f"#{section}-text [data-place='{page.evaluate(DEAREST)}']").hover()
            picture(page, f"of-{section}", arguments.folder / f"report_{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
