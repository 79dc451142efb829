"""Makes docs/page.png: the page of a model, after it has written, in a real browser.

Needs `pip install playwright` and Chromium; see `python docs/page_picture.py --help`.
"""

import argparse
from pathlib import Path

from playwright.sync_api import sync_playwright

SIZE = {"width": 900, "height": 820}


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="a page that charrnn export --html made")
    parser.add_argument("--text", default="ROMEO:\nWhat light through yonder", help="what is typed")
    parser.add_argument("--browser", default="/usr/bin/chromium", help="path of Chromium or Chrome")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("page.png"))
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.browser, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, device_scale_factor=1.5, color_scheme="light")
        page.goto(arguments.page.absolute().as_uri())
        page.locator("#alternatives button").first.wait_for()
        page.fill("#text", arguments.text)
        page.fill("#length", "220")
        page.click("#write")
        page.locator("#status", has_text=f"{len(arguments.text) + 220} characters").wait_for()
        page.locator("#write", has_text="Write on").wait_for()
        page.focus("#text")
        for _ in range(40):
            page.keyboard.press("ArrowLeft")
        page.locator("#alternatives .there").wait_for()
        page.screenshot(path=str(arguments.output))
        browser.close()


if __name__ == "__main__":
    main()
