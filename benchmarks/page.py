"""Row 24: a model in a web page: its size and how fast it writes in Chromium."""

import shutil
import statistics

from benchmarks.models import vocabulary
from benchmarks.runner import Bench, Figure, NotMeasuredError
from charrnn.config.schema import DataParams, ModelParams
from charrnn.export.page import SMALL, model_page
from charrnn.generation.writer import Writer
from charrnn.model.char_rnn import CharRNN

LENGTH, REPEATS, TARGET = 10_000, 5, 5_000
# What the button does, without what the page shows of it.
WRITE = """async length => {
  const started = performance.now();
  await ask("write", {length, options: {temperature: 0.8, topK: null, topP: null, minP: null, seed: "1"}}, () => {});
  return length / (performance.now() - started) * 1000;
}"""


def measure(bench: Bench) -> list[Figure]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise NotMeasuredError("needs the package playwright") from None
    chromium = shutil.which("chromium")
    if chromium is None:
        raise NotMeasuredError("needs Chromium")
    known = vocabulary()
    default = ModelParams()
    writer = Writer(CharRNN(default, known.size).eval(), known, DataParams())
    path = bench.folder / "page.html"
    path.write_text(model_page(writer, "the default model"), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(path.as_uri())
        page.locator("#alternatives button").first.wait_for()
        speed = statistics.median(page.evaluate(WRITE, LENGTH) for _ in range(REPEATS))
        browser.close()
    size = path.stat().st_size
    shape = f"{default.num_layers}x{default.hidden_size}"
    return [
        Figure("24 (size)", "the default model in a web page", "<= 2 MB", f"{size / 1e6:.2f} MB", size <= SMALL),
        Figure(
            "24 (speed)",
            f"writing in that page, {shape}, in Chromium",
            f">= {TARGET:,} characters/s",
            f"{speed:,.0f} characters/s",
            speed >= TARGET,
        ),
    ]
