import math
import random
import re
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import ModelParams
from charrnn.errors import DivergedError, ParamsError
from charrnn.evaluation.held_out import of_text
from charrnn.evaluation.surprisal import score_text
from charrnn.export import page as export
from charrnn.export.page import model_page
from charrnn.generation.writer import Writer
from tests.browser import opened
from tests.charrnn.export.writers import KINDS, untrained, untrained_kind

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TEXT = "abé \U0001f600\u4e16c ab à" * 8
HOSTILE = "</script><script>throw 1</script>\u202e\x07"
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def saved(writer: Writer, title: str = "a model", **options: Any) -> Path:
        path = tmp_path / "page.html"
        path.write_text(model_page(writer, title, **options), encoding="utf-8")
        return path

    return saved


def ready(page: "Page") -> None:
    page.locator("#alternatives button").first.wait_for()


def shown_text(page: "Page") -> str:
    return page.locator("#text").input_value()


def written(page: "Page", options: dict[str, str]) -> str:
    """Let the page write on; return the whole text."""
    for name, value in options.items():
        page.fill(f"#{name}", value)
    page.click("#write")
    page.locator("#write", has_text="Write on").wait_for()
    page.locator("#alternatives button").first.wait_for()
    return shown_text(page)


def begin_to_write(page: "Page") -> None:
    """Let the page write more than it can while a test runs; return when it has begun."""
    ready(page)
    page.fill("#length", "100000")
    page.click("#write")
    page.locator("#write", has_text="Stop").wait_for()
    page.wait_for_timeout(100)


@pytest.mark.parametrize(("cell", "shape"), KINDS)
def test_the_page_scores_as_python_does(browser: "Browser", save: Save, cell: str, shape: str) -> None:
    writer = untrained_kind(cell, shape)
    text = TEXT if "\n" not in writer.vocabulary.characters else TEXT.replace(" ab", "\nab")
    wanted = score_text(writer.network, writer.vocabulary, writer.data, text, of_lines=writer.of_lines).bits
    with opened(browser, save(writer)) as page:
        found = page.evaluate("text => charrnn.score(text)", text)
    numbers = np.array([math.nan if value is None else value for value in found])
    assert numbers == pytest.approx(wanted, abs=1e-4, nan_ok=True)


def test_lines_are_documents_of_their_own(browser: "Browser", save: Save) -> None:
    writer = untrained("data.documents=lines")
    wanted = score_text(writer.network, writer.vocabulary, writer.data, "ab\nc", of_lines=True).bits
    with opened(browser, save(writer)) as page:
        assert page.evaluate("text => charrnn.score(text)", "ab\nc") == pytest.approx(wanted, abs=1e-4)


def test_int8_weights_are_those_whose_cost_was_measured(browser: "Browser", save: Save) -> None:
    writer = untrained("model.num_layers=2")
    path = save(writer, weights="int8", held_out=of_text(TEXT, "some text", writer.data, writer.vocabulary, len(TEXT)))
    with opened(browser, path) as page:
        ready(page)
        row = page.locator("#facts tr", has_text="Weights").inner_text()
        found = page.evaluate("text => charrnn.score(text)", TEXT)
    match = re.search(r"int8: (\d+\.\d{4}) bits per character where float32 has (\d+\.\d{4}), measured on (.*)", row)
    assert match
    assert match[3] == f"{len(TEXT)} characters (some text)"
    exact = score_text(writer.network, writer.vocabulary, writer.data, TEXT).bits_per_char
    assert float(match[2]) == pytest.approx(exact, abs=1e-4)
    assert float(match[1]) == pytest.approx(np.mean(found[1:]), abs=1e-4)
    assert match[1] != match[2]


def test_without_a_held_out_text_the_model_writes_one(browser: "Browser", save: Save) -> None:
    with opened(browser, save(untrained(), weights="int8")) as page:
        assert "2,000 characters (a text that the model wrote itself)" in page.locator("#facts").inner_text()


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_what_is_typed_is_read_as_the_training_text_was(browser: "Browser", save: Save, form: str) -> None:
    writer = untrained("data.lowercase=true", f"data.unicode_form={form}", characters="abe\u0301\u00e9\n")
    with opened(browser, save(writer)) as page:
        ready(page)
        page.fill("#text", "\ufeffABE\u0301")
        page.locator("#status", has_text="characters,").wait_for()
        assert shown_text(page) == ("ab\u00e9" if form == "NFC" else "abe\u0301")


def test_characters_that_the_model_does_not_know_are_left_out_and_named(browser: "Browser", save: Save) -> None:
    with opened(browser, save(untrained())) as page:
        ready(page)
        page.fill("#text", "abZ\U0001f601c\x07")
        page.locator("#status", has_text="3 characters").wait_for()
        assert shown_text(page) == "abc"
        assert page.locator("#problem").inner_text().endswith(": Z \U0001f601 U+0007")


def test_the_same_seed_writes_the_same_text_and_another_another(browser: "Browser", save: Save) -> None:
    texts = []
    with opened(browser, save(untrained())) as page:
        ready(page)
        for seed in ("7", "7", "8"):
            page.fill("#text", "ab")
            page.locator("#status", has_text="2 characters").wait_for()
            texts.append(written(page, {"seed": seed, "length": "60", "temperature": "1"}))
    assert texts[0] == texts[1] != texts[2]
    assert {len(text) for text in texts} <= {62, *range(63, 123)}  # an astral character counts as two in JavaScript
    assert {len(list(text)) for text in texts} == {62}


@pytest.mark.parametrize("filters", [{"temperature": "0"}, {"topK": "1"}, {"topP": "0.001"}, {"minP": "1"}])
def test_what_leaves_only_the_likeliest_takes_it(browser: "Browser", save: Save, filters: dict[str, str]) -> None:
    writer = untrained()
    prepared, _ = writer.prepare(SamplingOptions(prime="ab", length=40, temperature=0))
    (expected,) = writer.write([prepared])
    with opened(browser, save(writer)) as page:
        ready(page)
        page.fill("#text", "ab")
        page.locator("#status", has_text="2 characters").wait_for()
        assert written(page, {"length": "40", **filters}) == expected.text


def test_the_frequencies_of_what_is_drawn_are_the_probabilities(browser: "Browser", save: Save) -> None:
    draws = """([logits, options, count]) => {
      const random = generator(5), found = logits.map(() => 0);
      for (let k = 0; k < count; k++) found[draw(logits, options, random, null)] += 1 / count;
      return found;
    }"""
    logits = [0.0, 1.0, 2.0, -1.0, 1.5]
    options = {"temperature": 0.7, "topK": 4, "topP": 0.95, "minP": 0.1}
    scaled = np.exp(np.array(logits) / 0.7)
    relative = scaled / scaled.max()
    relative[3] = 0  # the fifth of top_k
    # What is likelier than the least of the four is 0.93 of the sum, so that top_p leaves it; it is below min_p.
    relative[relative < 0.1] = 0
    with opened(browser, save(untrained())) as page:
        page.add_script_tag(content=export._resource("sampler.js"))
        found = page.evaluate(draws, [logits, options, 40_000])
    assert found == pytest.approx(relative / relative.sum(), abs=0.015)


def test_a_document_ends_at_the_stop_symbol(browser: "Browser", save: Save) -> None:
    writer = untrained("data.documents=files")
    writer.network.decoder.bias[writer.vocabulary.stop_id] = 3.0
    with opened(browser, save(writer)) as page:
        ready(page)
        text = written(page, {"length": "1000"})
        assert len(text) < 1000
        assert "the document ends here" in page.locator("#status").inner_text()


def test_choosing_another_character_cuts_the_text_there_and_undo_brings_it_back(browser: "Browser", save: Save) -> None:
    with opened(browser, save(untrained())) as page:
        ready(page)
        page.fill("#text", "abcab")
        page.locator("#status", has_text="5 characters").wait_for()
        page.focus("#text")
        for _ in range(3):
            page.keyboard.press("ArrowLeft")
        page.locator("#alternatives .there", has_text="c").wait_for()
        page.locator('#alternatives button[aria-label^="é,"]').click()
        page.locator("#status", has_text="3 characters").wait_for()
        assert shown_text(page) == "abé"
        page.click("#undo")
        page.locator("#status", has_text="5 characters").wait_for()
        assert shown_text(page) == "abcab"
        page.click("#redo")
        page.locator("#status", has_text="3 characters").wait_for()
        assert shown_text(page) == "abé"


def test_the_alternatives_are_the_likeliest_with_their_probabilities(browser: "Browser", save: Save) -> None:
    writer = untrained()
    ids = torch.from_numpy(writer.vocabulary.encode("ab").astype(np.int64))
    logits, _ = writer.network(ids[:, None], writer.network.initial_state(1))
    shares = torch.softmax(
        logits[-1, 0, : writer.vocabulary.stop_id], dim=0
    )  # the stop symbol cannot follow in a stream
    signs = writer.vocabulary.characters.replace("\n", "↵").replace(" ", "·")
    wanted = sorted(zip(shares.tolist(), signs, strict=True), reverse=True)
    with opened(browser, save(writer)) as page:
        ready(page)
        page.fill("#text", "ab")
        page.locator("#status", has_text="2 characters").wait_for()
        page.wait_for_timeout(200)
        buttons = [button.split("\n") for button in page.locator("#alternatives button").all_inner_texts()]
    assert buttons == [[sign, "< 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"] for share, sign in wanted]


def test_writing_stops_when_it_is_asked_to_and_keeps_what_is_there(browser: "Browser", save: Save) -> None:
    with opened(browser, save(untrained("model.hidden_size=256"))) as page:
        begin_to_write(page)
        page.keyboard.press("Escape")
        page.locator("#write", has_text="Write on").wait_for()
        text = shown_text(page)
        assert 0 < len(list(text)) < 100_000
        page.wait_for_timeout(100)
        assert shown_text(page) == text


CHANGE_AND_WRITE = """texts => {
  for (const text of texts) {
    typed.value = text;
    typed.dispatchEvent(new InputEvent("input"));
  }
  find("write").click();
}"""


def continued(writer: Writer, prime: str, length: int) -> str:
    """Return `prime` and what Python writes after it at temperature 0."""
    prepared, _ = writer.prepare(SamplingOptions(prime=prime, length=length, temperature=0))
    (text,) = writer.write([prepared])
    return text.text


def test_looking_at_a_place_and_scoring_another_text_change_nothing_of_what_follows(
    browser: "Browser", save: Save
) -> None:
    writer = untrained("model.num_layers=2")
    with opened(browser, save(writer)) as page:
        ready(page)
        page.fill("#text", TEXT)
        page.locator("#status", has_text=f"{len(TEXT)} characters").wait_for()
        page.focus("#text")
        page.evaluate("() => typed.setSelectionRange(40, 40)")
        page.locator("#alternatives .there", has_text=TEXT[39]).wait_for()  # an astral character has two places
        assert len(page.evaluate("charrnn.score('ab')")) == 2
        page.fill("#text", TEXT + "ab")
        page.locator("#status", has_text=f"{len(TEXT) + 2} characters").wait_for()
        page.wait_for_function("() => bits.length === characters.length")
        wanted = score_text(writer.network, writer.vocabulary, writer.data, TEXT + "ab").bits
        assert page.evaluate("bits")[1:] == pytest.approx(wanted[1:], abs=1e-4)


def test_a_text_that_changes_while_it_is_read_is_read_as_it_is_in_the_end(browser: "Browser", save: Save) -> None:
    writer = untrained("model.hidden_size=128")
    with opened(browser, save(writer)) as page:
        ready(page)
        page.fill("#length", "30")
        page.fill("#temperature", "0")
        page.evaluate(CHANGE_AND_WRITE, [TEXT * 100, TEXT * 20 + "ab", TEXT * 20])
        page.locator("#status", has_text=f"{len(TEXT) * 20 + 30:,} characters").wait_for()
        assert shown_text(page) == continued(writer, TEXT * 20, 30)
        shown = page.evaluate("() => spans.map(it => it.style.backgroundColor)")
        wanted = page.evaluate("async text => (await charrnn.score(text)).map(surprisalColour)", shown_text(page))
        assert shown == wanted


def test_any_change_lays_out_the_text_as_it_is(browser: "Browser", save: Save) -> None:
    drawn = random.Random(1)
    with opened(browser, save(untrained())) as page:
        ready(page)
        for _ in range(60):
            text = "".join(drawn.choices("ab\n", k=drawn.randrange(9)))
            page.evaluate("text => change([...text])", text)
            lines = page.evaluate("() => [...backdrop.children].map(it => it.textContent)")
            assert lines == re.findall(r".*\n|.*$", text)[: text.count("\n") + 1]
            assert page.evaluate("() => spans.map(it => it.textContent).join('')") == text


def test_the_colours_lie_under_the_characters_in_every_line(browser: "Browser", save: Save) -> None:
    with opened(browser, save(untrained()), width=360) as page:
        ready(page)
        for text in ("", "a", "ab\n", "ab\n\n", "\n" * 30, ("ab c" * 30 + "\n") * 20):
            page.fill("#text", text)
            page.locator("#status", has_text=f"{len(text):,} character").wait_for()
            below, above = page.evaluate("() => [backdrop, typed].map(it => it.scrollHeight)")
            assert below == above


def test_what_could_stand_at_the_caret_stays_in_sight_below_a_long_text(browser: "Browser", save: Save) -> None:
    with opened(browser, save(untrained())) as page:
        ready(page)
        page.fill("#text", "ab\n" * 100)
        page.locator("#status", has_text="300 characters").wait_for()
        written(page, {"length": "200"})
        last = page.evaluate("() => spans.at(-1).getBoundingClientRect().bottom")
        shown = page.evaluate("() => box.getBoundingClientRect().bottom")
        assert last <= shown < 900  # the window's height
        assert page.locator("#alternatives button").first.bounding_box()["y"] < 900  # type: ignore[index]
        page.focus("#text")
        page.evaluate("() => typed.setSelectionRange(3, 3)")
        page.locator("#backdrop .there").wait_for()
        assert page.evaluate("() => spans.findIndex(it => it.className === 'there')") == 3


def test_carriage_returns_are_kept_where_the_model_knows_them(browser: "Browser", save: Save) -> None:
    writer = untrained("data.newline=keep", characters="ab\n\r")
    writer.network.decoder.bias[writer.vocabulary.characters.index("\r")] = 4.0
    with opened(browser, save(writer)) as page:
        ready(page)
        page.fill("#text", "a")
        page.locator("#status", has_text="1 character").wait_for()
        text = written(page, {"length": "40", "temperature": "1"})
        assert "\u240d" in text
        assert len(text) == 41
        page.focus("#text")
        page.keyboard.press("End")
        page.keyboard.type("b")
        page.locator("#status", has_text="42 characters").wait_for()
        assert page.evaluate("() => characters.join('')") == text.replace("\u240d", "\r") + "b"


def test_it_works_where_a_server_gives_it(browser: "Browser", save: Save) -> None:
    path = save(untrained())
    handler = partial(SimpleHTTPRequestHandler, directory=str(path.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            with opened(browser, f"http://127.0.0.1:{server.server_port}/{path.name}") as page:
                ready(page)
                assert len(written(page, {"length": "40"})) >= 40
        finally:
            server.shutdown()


def test_typing_while_it_writes_ends_the_writing(browser: "Browser", save: Save) -> None:
    with opened(browser, save(untrained("model.hidden_size=256"))) as page:
        begin_to_write(page)
        page.focus("#text")
        page.keyboard.type("c")
        page.locator("#write", has_text="Write on").wait_for()
        text = shown_text(page)
        assert text.endswith("c")
        page.wait_for_timeout(150)
        assert shown_text(page) == text


def test_every_character_but_the_first_of_a_stream_has_its_colour(browser: "Browser", save: Save) -> None:
    with opened(browser, save(untrained())) as page:
        ready(page)
        page.fill("#text", "ab")  # each at once, before the one before was read
        page.fill("#text", "abcab")
        page.fill("#text", "abcab")
        written(page, {"length": "50"})
        colours = page.locator("#backdrop span").evaluate_all("them => them.map(it => it.style.backgroundColor)")
    assert [colour.startswith("color-mix") for colour in colours] == [False] + [True] * 54


def test_what_is_typed_in_the_middle_of_a_long_text_is_read_from_there_on(browser: "Browser", save: Save) -> None:
    writer = untrained("model.hidden_size=64")
    long = "abc ab\n" * 600
    wanted = score_text(writer.network, writer.vocabulary, writer.data, "abc" + "é" + long[3:] + "b").bits
    with opened(browser, save(writer)) as page:
        ready(page)
        page.fill("#text", long)
        page.locator("#status", has_text=f"{len(long):,} characters").wait_for()
        page.keyboard.type("b")
        page.evaluate("() => typed.setSelectionRange(3, 3)")
        page.keyboard.type("é")  # both before the first is read
        page.locator("#status", has_text=f"{len(long) + 2:,} characters").wait_for()
        page.wait_for_function("() => bits.length === characters.length")
        found = page.evaluate("() => bits")
        spans = page.locator("#backdrop span").evaluate_all("them => them.map(it => it.textContent).join('')")
    assert np.array(found[1:]) == pytest.approx(wanted[1:], abs=1e-4)
    assert spans == "abcé" + long[3:] + "b"


@pytest.mark.parametrize(("name", "value"), [("temperature", "-1"), ("topP", "1.5"), ("topK", "0"), ("length", "0")])
def test_an_option_out_of_range_is_named(browser: "Browser", save: Save, name: str, value: str) -> None:
    with opened(browser, save(untrained())) as page:
        ready(page)
        page.fill(f"#{name}", value)
        page.click("#write")
        page.locator("#problem", has_text=": ").wait_for()
        assert shown_text(page) == ""


def test_hostile_text_is_text(browser: "Browser", save: Save) -> None:
    writer = untrained(characters="".join(set(HOSTILE)) + "ab\n")
    with opened(browser, save(writer, title=HOSTILE)) as page:
        ready(page)
        page.fill("#text", HOSTILE)
        page.locator("#status", has_text=f"{len(HOSTILE)} characters").wait_for()
        assert shown_text(page) == HOSTILE
        assert page.locator("#title").evaluate("it => it.textContent") == HOSTILE


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(browser: "Browser", save: Save, dark: bool) -> None:
    with opened(browser, save(untrained()), dark=dark, width=360) as page:
        ready(page)
        page.fill("#text", "ab" * 100)
        page.locator("#status", has_text="200 characters").wait_for()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_a_page_that_would_be_too_large_is_refused_with_both_sizes() -> None:
    large = untrained("model.hidden_size=2000", "model.num_layers=2")
    both = r"would have 2\d\d MB with float32 weights and 6\d MB with int8 weights; at most 50 MB are allowed"
    for weights in ("float32", "int8", None):
        with pytest.raises(ParamsError, match=both):
            model_page(large, "large", weights=weights)


def test_a_model_of_documents_is_measured_on_several() -> None:
    writer = untrained("data.documents=files")
    writer.network.decoder.bias[writer.vocabulary.stop_id] = 3.0
    page = model_page(writer, "t", weights="int8")
    match = re.search(r"measured on (\d+) characters \(documents that the model wrote itself\)", page)
    assert match
    assert int(match[1]) > 50  # one has three


def test_a_model_whose_training_diverged_is_refused() -> None:
    writer = untrained()
    writer.network.decoder.bias[0] = math.nan
    with pytest.raises(DivergedError, match="weights are not finite"):
        model_page(writer, "t", weights="int8")


def test_float32_is_taken_where_the_page_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = untrained()
    assert "float32, as trained" in model_page(writer, "t")
    monkeypatch.setattr(export, "SMALL", 10_000)
    assert "int8: " in model_page(writer, "t")


def test_the_size_is_never_underestimated() -> None:
    for precision in ("float32", "int8"):
        writer = untrained("model.hidden_size=64")
        assert len(model_page(writer, "t", weights=precision)) <= export._page_size(writer, precision)


def test_the_default_model_fits_in_two_megabytes() -> None:
    default = ModelParams()
    shape = [f"model.hidden_size={default.hidden_size}", f"model.embedding_size={default.embedding_size}"]
    writer = untrained(*shape, characters="".join(map(chr, range(32, 130))) + "\n")
    assert len(model_page(writer, "t", weights="float32")) <= export.SMALL


def test_a_cell_that_the_page_does_not_have_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_resource", lambda name: "")
    with pytest.raises(ParamsError, match="the page has no step for the cell lstm; export it as ONNX or safetensors"):
        model_page(untrained(), "t")
