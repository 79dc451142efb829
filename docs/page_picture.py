"""Makes docs/page.png: a model in a web page, which has written a text and tells what else could stand in it.

Needs `pip install playwright` and Chromium; see `python docs/page_picture.py --help`.
"""

import argparse
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 900, 1000
START = "JULIET:\nO gentle night, "
LENGTH = 330
# Where the model was in doubt: the caret goes to the dearest of the last characters.
DOUBT = "(() => { const last = bits.slice(-150); const place = bits.length - 150 + last.indexOf(Math.max(...last)); "
DOUBT += "typed.focus(); typed.setSelectionRange(place, place); })()"


def main() -> None:
    """Take the picture that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "page", type=Path, help="a page that charrnn export --html made of a model of Shakespeare's plays"
    )
    parser.add_argument("--browser", default="/usr/bin/chromium", help="path of Chromium or Chrome")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("page.png"))
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.browser, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1.5, color_scheme="light"
        )
        page.goto(arguments.page.absolute().as_uri())
        page.locator("#alternatives button").first.wait_for()
        page.fill("#text", START)
        page.fill("#length", str(LENGTH))
        page.click("#write")
        page.locator("#status", has_text=f"{len(START) + LENGTH} characters").wait_for()
        page.locator("#write", has_text="Write on").wait_for()
        page.evaluate(DOUBT)
        page.locator("#backdrop .there").wait_for()
        page.screenshot(path=str(arguments.output))
        browser.close()


if __name__ == "__main__":
    main()
