"""The page in a real browser: what a person sees of it, points at and reaches with the keyboard."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from charrnn.config.sampling_options import SamplingOptions
from charrnn.model.cells import CELLS
from charrnn.report import values
from charrnn.report.contents import Contents, measure
from charrnn.report.page import render
from charrnn.report.subject import History
from charrnn.report.values import page_values
from tests.browser import opened
from tests.charrnn.report.subjects import HOSTILE, subject_of
from tests.texts import made_up_play

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HISTORY = History(
    "0123",
    "a run",
    "novel.txt",
    train=[(step, 3 / step**0.2) for step in range(1, 900)],
    val=[(300, 1.5), (600, 1.25), (899, 1.125)],
    baselines={"unigram": 3.0, "5-gram": 1.75},
    results={"validation": 1.125},
    samples=[(300, "early"), (899, HOSTILE)],
)


SHORT = SamplingOptions(length=20)


@pytest.fixture(scope="module")
def contents() -> Contents:
    return measure(subject_of(made_up_play(12_000), "model.num_layers=2", history=HISTORY), 60)


@pytest.fixture(scope="module")
def path(contents: Contents, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(contents), "utf-8")
    return path


@pytest.fixture(scope="module")
def shown(browser: "Browser", path: Path) -> "Iterator[Page]":
    with opened(browser, path) as page:
        yield page


def test_a_character_that_is_pointed_at_shows_what_was_likeliest(shown: "Page", contents: Contents) -> None:
    start = contents.passages.typical.start
    likeliest = contents.reading.likeliest
    place = next(at for at in range(700, 1900) if (likeliest[start + at] != likeliest[start + at + 1]).any())
    at = start + place
    shown.locator(f"#surprisal-text [data-place='{place}']").hover()
    details = shown.locator("#surprisal-details").inner_text()
    bits = contents.reading.bits[at]
    assert f"cost {bits:.2f} bits" in details
    alphabet = page_values(contents)["alphabet"]
    items = shown.locator("#surprisal-details li")
    assert items.count() == 5
    for item, index, share in zip(
        items.all_inner_texts(), contents.reading.likeliest[at], contents.reading.probabilities[at], strict=True
    ):
        sign, percent = item.split(" ")[:2]
        assert sign == {"\n": "↵", " ": "·", "": "⏹"}.get(alphabet[index], alphabet[index])
        assert float(percent) == pytest.approx(100 * share, abs=0.06)
    assert contents.baseline
    assert f"5-gram: {contents.baseline.bits[at]:.2f} bits" in details


def test_the_dearest_characters_have_the_strongest_colour(shown: "Page", contents: Contents) -> None:
    colours = shown.locator("#surprisal-text span").evaluate_all(
        "them => them.map(it => Number(/([\\d.]+)%/.exec(it.style.backgroundColor)?.[1] ?? 0))"
    )
    bits = np.clip(contents.reading.bits[contents.passages.typical], 0, 8)
    known = np.isfinite(bits)
    assert np.array(colours)[known] == pytest.approx(bits[known] / 8 * 100, abs=0.06)


def test_passages_that_cost_most_and_least_can_be_chosen(shown: "Page", contents: Contents) -> None:
    options = shown.locator("#surprisal-choice option")
    assert options.count() == 7
    shown.select_option("#surprisal-choice", "1")
    text = shown.locator("#surprisal-text .text").evaluate("it => it.textContent")
    part = contents.passages.costliest[0]
    assert text.replace("↵", "") == contents.reading.held_out.text[part]
    shown.select_option("#surprisal-choice", "0")


def test_the_arrow_keys_move_through_a_text(shown: "Page") -> None:
    shown.locator("#surprisal-text .text").focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft"):
        shown.keyboard.press(key)
    assert shown.locator("#surprisal-text .chosen").get_attribute("data-place") == "1"


def test_each_unit_of_each_layer_colours_the_text(shown: "Page", contents: Contents) -> None:
    start = contents.passages.typical.start
    for layer, unit in ((0, 0), (1, 5)):
        shown.select_option("#cells-layer", label=str(layer + 1))
        shown.select_option("#cells-unit", label=str(unit))
        shown.locator("#cells-text [data-place='40']").hover()
        held = float(contents.reading.activations[start + 40, layer * 6 + unit])
        told = shown.locator("#cells-details").inner_text()
        assert f"layer {layer + 1}, unit {unit} holds" in told
        assert float(told.rsplit(" ", 1)[1]) == pytest.approx(held, abs=0.01)
        colour = shown.locator("#cells-text [data-place='40']").evaluate("it => it.style.backgroundColor")
        assert ("--negative" if held < 0 else "--positive") in colour
    shown.click("#cells-previous")
    assert shown.locator("#cells-unit option:checked").inner_text() == "4"


def test_units_that_were_found_can_be_chosen_from_their_list(shown: "Page", contents: Contents) -> None:
    rows = shown.locator("#cells-found tbody tr")
    assert rows.count() == len(contents.found) > 0
    for row, found in zip(rows.all(), contents.found, strict=True):
        feature, _, correlation, control = row.locator("td").all_inner_texts()
        assert feature == found.feature + ("" if found.is_beyond_chance else " (not beyond chance)")
        assert (float(correlation), float(control)) == pytest.approx((found.correlation, found.control), abs=0.006)
    rows.first.locator("button").click()
    first = contents.found[0].unit
    assert f"layer {first // 6 + 1}, unit {first % 6} holds" in shown.locator("#cells-details").inner_text()


def test_what_a_loss_depends_on_is_coloured(shown: "Page", contents: Contents) -> None:
    data = page_values(contents)["memory"]
    shares = np.frombuffer(base64.b64decode(data["shares"]), dtype=np.uint8).reshape(-1, data["reach"])
    row = 40
    target = data["targets"][row]
    shown.locator(f"#memory-text [data-place='{target}']").hover()
    for distance in (1, 2, 7):
        colour = shown.locator(f"#memory-text [data-place='{target - distance}']").evaluate(
            "it => it.style.backgroundColor"
        )
        told = re.search(r"([\d.]+)%", colour)
        assert told
        assert float(told[1]) == pytest.approx(shares[row, distance - 1] / 2.55, abs=0.06)
    assert shares[row].max() == 255
    assert shown.locator("#memory-context tbody tr").count() == len(contents.context.rows) > 4


def test_a_curve_tells_its_values(shown: "Page") -> None:
    curve = shown.locator("#history-body svg.chart")
    curve.focus()
    shown.keyboard.press("End")
    told = shown.locator("#history-body .values").inner_text()
    assert told.startswith("Step 899: train ")
    assert "val 1.125" in told
    assert "5-gram 1.750" in (curve.text_content() or "")


def test_samples_through_training_are_a_slider(shown: "Page") -> None:
    text = shown.locator("#samples-body .text")
    slider = shown.locator("#samples-step")
    slider.focus()
    shown.keyboard.press("Home")
    assert text.text_content() == "early"
    assert shown.locator("#samples-body output").inner_text() == "step 300"
    shown.keyboard.press("End")
    assert "<script>throw 1</script>" in (text.text_content() or "")


def test_the_page_says_what_is_copied(shown: "Page", contents: Contents) -> None:
    assert contents.copying
    expected = [one.passage.text for one in contents.copying.samples if one.passage and one.passage.length]
    assert shown.locator("#copying-body mark").evaluate_all("them => them.map(it => it.textContent)")[::2] == expected


def test_the_page_works_in_a_sandboxed_frame_as_that_of_mlflow(browser: "Browser", path: Path, tmp_path: Path) -> None:
    (tmp_path / "outer.html").write_text("<!doctype html><body></body>", "utf-8")
    with opened(browser, tmp_path / "outer.html") as outer:
        outer.evaluate(
            """text => {
                const frame = document.createElement("iframe");
                frame.sandbox = "allow-scripts";
                frame.style = "width: 1000px; height: 600px";
                frame.src = URL.createObjectURL(new Blob([text], { type: "text/html" }));
                document.body.append(frame);
            }""",
            path.read_text("utf-8"),
        )
        page = outer.frame_locator("iframe")
        page.locator("nav a", has_text="Cells").click()
        assert page.locator("#of-cells").evaluate("it => document.activeElement === it && scrollY > 300")
        page.locator("#surprisal-text [data-place='30']").hover()
        assert "cost" in page.locator("#surprisal-details").inner_text()


@pytest.mark.parametrize("dark", [False, True])
def test_a_telephone_shows_it_without_scrolling_sideways(browser: "Browser", path: Path, dark: bool) -> None:
    with opened(browser, path, dark=dark, width=390) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("documents", [False, True])
def test_a_hostile_text_is_shown_and_not_run(browser: "Browser", tmp_path: Path, documents: bool) -> None:
    lines = [f"{HOSTILE.strip()} {number}" for number in range(60)]
    history = History("0123", HOSTILE, HOSTILE, samples=[(1, HOSTILE)])
    subject = subject_of(lines if documents else "\n".join(lines), history=history, name=HOSTILE)
    (tmp_path / "page.html").write_text(render(measure(subject, 60)), "utf-8")
    with opened(browser, tmp_path / "page.html") as page:
        assert page.locator("img, iframe").count() == 0
        text = page.locator("#surprisal-text").text_content() or ""
        assert "<script>throw 1</script>" in text
        assert "U+202E" in text
        assert "\u202e" not in text
        assert page.locator("h1").text_content() == f"Report: {HOSTILE}"


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", [["model.embedding_size=null"], ["model.num_layers=2", "model.layer_norm=true"]])
def test_a_model_of_any_shape_has_a_page(browser: "Browser", tmp_path: Path, cell: str, shape: list[str]) -> None:
    subject = subject_of(made_up_play(2000), f"model.cell={cell}", *shape)
    (tmp_path / "page.html").write_text(render(measure(subject, 60)), "utf-8")
    with opened(browser, tmp_path / "page.html") as page:
        assert page.locator("#history-body").inner_text() == values.NO_RUN
        assert page.locator("#cells-text span").count() > 300


def test_without_the_training_text_the_page_says_what_is_missing(browser: "Browser", tmp_path: Path) -> None:
    whole = subject_of(made_up_play(2000))
    subject = type(whole)("x", whole.checkpoint, None, None, made_up_play(900, seed=5), "mine.txt")
    (tmp_path / "page.html").write_text(render(measure(subject, 60)), "utf-8")
    with opened(browser, tmp_path / "page.html") as page:
        assert "there is no 5-gram beside the model" in page.locator("#surprisal-missing").inner_text()
        assert "nothing can be said of copying" in page.locator("#copying-body").inner_text()
        assert "Read for this report: mine.txt" in page.locator("#facts-table").inner_text()


def test_what_the_time_did_not_suffice_for_is_said(browser: "Browser", tmp_path: Path, contents: Contents) -> None:
    assert contents.baseline
    assert contents.copying
    context = replace(contents.context, rows=contents.context.rows[:4])
    written = [replace(one, written=replace(one.written, options=SHORT)) for one in contents.samples]
    less = replace(
        contents,
        context=context,
        gradients=replace(contents.gradients, wanted=1234),
        baseline=replace(contents.baseline, counted=1000),
        copying=replace(contents.copying, searched=2000),
        samples=written,
    )
    (tmp_path / "page.html").write_text(render(less), "utf-8")
    with opened(browser, tmp_path / "page.html") as page:
        memory = page.locator("#of-memory").inner_text()
        assert "Longer contexts, up to 2,000 characters, were left out" in memory
        assert f"The time sufficed for {len(less.gradients.targets)} of 1,234 characters." in memory
        assert page.locator("#memory-text .target").count() == len(less.gradients.targets)
        assert "counted on the last 1,000 of the " in page.locator("#surprisal-missing").inner_text()
        copying = page.locator("#copying-body").inner_text()
        assert "the last 2,000 of its" in copying
        assert "The time sufficed for samples of at most 20 of 80 characters." in copying


@pytest.mark.parametrize(
    ("excesses", "told"),
    [
        (
            [0.05, 0.04, 0],
            "With 1 character or more, it is not measurably above that with the longest that was",
        ),
        ([0.5, 0.05, 0], "With 2 characters or more, it is not measurably above that with the longest"),
        ([0.05, 0.5, 0], "The longest that was tried, 5, still lowers it measurably, compared with the one before."),
    ],
    ids=["one", "two", "all"],
)
def test_how_much_context_is_needed_is_said(
    browser: "Browser", tmp_path: Path, contents: Contents, excesses: list[float], told: str
) -> None:
    rows = [
        replace(row, excess=excess, excess_error=0.1)
        for row, excess in zip(contents.context.rows, excesses, strict=False)
    ]
    (tmp_path / "page.html").write_text(
        render(replace(contents, context=replace(contents.context, rows=rows))), "utf-8"
    )
    with opened(browser, tmp_path / "page.html") as page:
        assert told in page.locator("#memory-context").inner_text()


def test_the_page_of_a_large_model_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = measure(subject_of(made_up_play(4000), "model.hidden_size=64", "model.num_layers=2"), 60)
    monkeypatch.setattr(values, "MOST_ACTIVATION_BYTES", 6_000)
    cells = page_values(contents)["cells"]
    assert len(cells["symbols"]) == values.FEWEST_SHOWN
    assert len(cells["units"]) == 20
    assert len(contents.found) > 2
    assert {found.unit for found in contents.found} <= set(cells["units"])
    assert len(base64.b64decode(cells["activations"])) == 6_000
    json.dumps(cells)
