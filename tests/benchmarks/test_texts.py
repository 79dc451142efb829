"""The default run on texts of a folder: what is skipped, and what comes of a text that cannot be read."""

from pathlib import Path

import pytest

from benchmarks.runner import Bench, NotMeasuredError
from benchmarks.texts import default_run, measure
from tests.texts import made_up_play

SHORT = ("model.hidden_size=32", "training.max_steps=20", "training.max_minutes=null", "evaluation.adaptive_seconds=0")


def bench(folder: Path, texts: Path | None) -> Bench:
    return Bench(folder / "unused.txt", folder, sha256="", texts=texts)


def test_without_a_folder_of_texts_the_row_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(NotMeasuredError, match="needs a folder of texts as --texts"):
        measure(bench(tmp_path, None))


def test_an_empty_folder_and_a_short_text_are_told(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    with pytest.raises(NotMeasuredError, match="has no files"):
        measure(bench(tmp_path, texts))
    (texts / "short.txt").write_text("short")
    with pytest.raises(NotMeasuredError, match=r"short\.txt: has less than 1,000,000 bytes"):
        measure(bench(tmp_path, texts))


@pytest.mark.usefixtures("api_url")
def test_a_run_is_compared_with_the_n_gram_of_its_own_text(tmp_path: Path) -> None:
    text = tmp_path / "play.txt"
    text.write_text(made_up_play(20_000), encoding="utf-8")
    figure = default_run(bench(tmp_path, None), text, *SHORT)
    assert figure.row == "20 (play)"
    assert figure.figure.startswith("val ")
    assert "; test " in figure.figure
    assert figure.reached is False  # twenty steps learn less than a 5-gram model


@pytest.mark.usefixtures("api_url")
def test_a_text_on_which_the_run_fails_misses_the_row(tmp_path: Path) -> None:
    text = tmp_path / "latin.txt"
    text.write_bytes("Grüße ".encode("latin-1") * 1000)
    figure = default_run(bench(tmp_path, None), text, *SHORT)
    assert figure.figure.startswith("failed: ")
    assert "not UTF-8" in figure.figure or "utf-8" in figure.figure
    assert figure.reached is False
