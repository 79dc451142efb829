"""`charrnn report` on a run that has ended: which model, which text, what is missing, what is refused."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import opened
from tests.documents_model import save_documents_model
from tests.workplace import Finished, captured

if TYPE_CHECKING:
    from playwright.sync_api import Browser

QUICK = ["--set", "report.seconds=60"]


@pytest.fixture
def checkpoint(finished: Finished) -> str:
    return str(finished.checkpoints / "best.ckpt")


def test_a_run_has_a_page_with_all_sections(finished: Finished, browser: "Browser", tmp_path: Path) -> None:
    path = tmp_path / "pages" / "page.html"
    answer = captured("report", finished.run_id, "--output", str(path), *finished.workplace.places, *QUICK)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"{path}: 0.")
    assert "bits per character on the text that was read" in answer.out
    with opened(browser, path) as page:
        facts = page.locator("#facts-table").inner_text()
        assert finished.run_id in facts
        assert "5-gram" in facts
        assert page.locator("#history-body svg.chart").count() == 1
        assert page.locator("#samples-step").get_attribute("max") == "2"
        assert page.locator("#copying-body mark").count() > 0
        counted = page.locator("#surprisal-missing").inner_text()
        assert counted.startswith("The 5-gram, whose figure stands under the text, was counted on all ")


@pytest.mark.parametrize("wanted", ["charrnn", "charrnn@champion"])
def test_a_registered_model_has_the_curves_of_its_run(finished: Finished, tmp_path: Path, wanted: str) -> None:
    path = tmp_path / "page.html"
    answer = captured("report", wanted, "--output", str(path), *finished.workplace.places, *QUICK)
    assert (answer.code, answer.err) == (0, "")
    assert '"baselines":[["unigram"' in path.read_text("utf-8")


def test_a_checkpoint_file_alone_needs_a_text(
    finished: Finished, checkpoint: str, browser: "Browser", tmp_path: Path
) -> None:
    copy, path = tmp_path / "copy.ckpt", tmp_path / "page.html"
    shutil.copy(checkpoint, copy)
    nowhere = ["--set", f"data.directory={tmp_path / 'no data'}", *QUICK, "--output", str(path)]
    answer = captured("report", str(copy), *nowhere)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"error: {copy}: its encoded text (digest ")
    assert answer.err.endswith("with --text\n")
    assert not path.exists()
    text = tmp_path / "text.txt"
    text.write_text(finished.workplace.text.read_text("utf-8")[:3000] + "☃", "utf-8")
    assert captured("report", str(copy), "--text", str(text), *nowhere).code == 0
    with opened(browser, path) as page:
        assert page.locator("#history-body").inner_text() == "The run that trained this model is not at hand."
        assert "not in the data folder" in page.locator("#copying-body").inner_text()
        assert str(text) in page.locator("#facts-table").inner_text()


def test_the_lines_of_a_text_are_documents_of_a_model_of_lines(tmp_path: Path, browser: "Browser") -> None:
    model, path = save_documents_model(tmp_path / "names.ckpt", "abc"), tmp_path / "page.html"
    (tmp_path / "names.txt").write_text("abc\ncab\n" * 40, "utf-8")
    answer = captured("report", str(model), "--text", str(tmp_path / "names.txt"), "--output", str(path), *QUICK)
    assert (answer.code, answer.err) == (0, "")
    with opened(browser, path) as page:
        assert (page.locator("#surprisal-text").text_content() or "").startswith("abc⏹\ncab⏹\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "{folder}"], "--output: {folder} is a folder, must be a file"),
        (["--text", "{folder}/none"], "{folder}/none: cannot read the text: No such file or directory"),
        (["--set", "report.seconds=0"], "report.seconds: must be > 0 to make a report, got 0"),
        (["--set", "report.seconds=-1"], "--set: report.seconds: must be >= 0, got -1"),
    ],
)
def test_a_mistake_is_one_line(checkpoint: str, tmp_path: Path, arguments: list[str], message: str) -> None:
    given = [part.format(folder=tmp_path) for part in arguments]
    answer = captured("report", checkpoint, *given)
    assert (answer.code, answer.out, answer.err) == (2, "", f"error: {message.format(folder=tmp_path)}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_text_of_nothing_that_the_model_knows_is_named(checkpoint: str, tmp_path: Path) -> None:
    (tmp_path / "snow").write_text("☃☃☃", "utf-8")
    answer = captured("report", checkpoint, "--text", str(tmp_path / "snow"), "--output", str(tmp_path / "page.html"))
    assert (answer.code, answer.err) == (
        2,
        f"error: {tmp_path / 'snow'}: has fewer than 2 characters that the model knows\n",
    )
    assert not (tmp_path / "page.html").exists()
