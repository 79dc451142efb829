import math
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from charrnn.config.loading import load_params
from charrnn.data.corpus import fetch_corpus
from charrnn.data.dataset import encode_corpus
from flows.summary import LINE, LINES, SHOWN, Summary
from tasks.tracking.runs import ModelVersion
from tests.workplace import Finished


@pytest.fixture
def summary(finished: Finished) -> Summary:
    return finished.summary


def rows(summary: Summary) -> dict[str, str]:
    """Return the table at the top of the terminal's summary."""
    table = summary.text().split("\n\n")[0]
    pairs = [line.split("  ", 1) for line in table.splitlines()]
    return {name: value.strip() for name, value in pairs}


def test_the_table_says_what_was_read_how_good_it_is_and_where(summary: Summary, finished: Finished) -> None:
    found = rows(summary)
    assert {"corpus", "best val loss", "test loss", "time", "run"} <= set(found)
    assert found["corpus"].endswith("a play.txt, 0.06 MB")
    assert found["run"] == finished.run_id
    scores = summary.scores["test"]
    assert found["test loss"].startswith(f"{scores.loss:.4f} nats, {scores.loss / math.log(2):.3f} bits per character")
    assert found["test loss"].endswith(
        f" (5-gram {scores.baselines['5-gram']:.3f}, unigram {scores.baselines['unigram']:.3f})"
    )


def test_values_stand_below_each_other(summary: Summary) -> None:
    found = rows(summary)
    columns = {line.index(found[line.split("  ")[0]]) for line in summary.text().split("\n\n")[0].splitlines()}
    assert len(columns) == 1


def test_the_middle_sample_is_shown_from_its_beginning(summary: Summary) -> None:
    many = replace(summary, samples=[["cold"], ["x" * 2 * SHOWN, "another"], ["wild"]])
    shown = many.text().split("\n\n")[1]
    assert shown == "x" * SHOWN


def test_of_documents_the_first_of_the_middle_temperature_are_shown_each_on_a_line(summary: Summary) -> None:
    data = summary.params.data.model_copy(update={"documents": "lines"})
    names = [f"Anna_{number}" for number in range(LINES)]
    hostile = ["a\x1b[2J\nb" + "c" * 2 * LINE, *names]
    of_documents = replace(
        summary,
        params=summary.params.model_copy(update={"data": data}),
        samples=[["cold"], hostile, ["wild"]],
    )
    shown = of_documents.text().split("\n\n")[1].split("\n")
    assert shown == ["a\\x1b[2J\\nb" + "c" * (LINE - 7), *names[:-1]]


def test_it_says_at_which_temperature_the_sample_was_written_and_which_part_of_it_is_shown(summary: Summary) -> None:
    temperatures = summary.params.sampling.model_copy(update={"temperatures": (0.2, 0.7, 1.5)})
    params = summary.params.model_copy(update={"sampling": temperatures})
    long = replace(summary, params=params, samples=[["cold"], ["x" * 5 * SHOWN], ["wild"]])
    assert rows(long)["sample"] == f"temperature 0.7, the first {SHOWN} of {5 * SHOWN:,} characters"
    data = params.data.model_copy(update={"documents": "lines"})
    for count, part in ((3 * LINES, LINES), (2, 2)):
        several = replace(
            long, params=params.model_copy(update={"data": data}), samples=[["cold"], ["Anna"] * count, ["wild"]]
        )
        assert rows(several)["sample"] == f"temperature 0.7, the first {part} of {count} documents"


def test_the_description_has_what_is_in_each_split(summary: Summary, tmp_path: Path) -> None:
    of_stream = "- **Splits** by position: train 56,400 characters; val 1,800 characters; test 1,800 characters"
    assert of_stream in summary.markdown().splitlines()
    (tmp_path / "names.txt").write_text("".join(f"{number:04}\n" for number in range(1000)))
    overrides = [f"data.sources={tmp_path}/names.txt", f"data.directory={tmp_path}/data", "data.documents=lines"]
    params = load_params([], [*overrides, "splits.val_fraction=0.1", "splits.test_fraction=0"])
    dataset = encode_corpus(fetch_corpus(params.data), params.data)
    of_documents = "- **Splits** by documents: train 900 documents, 3,600 characters; val 100 documents, 400 characters"
    assert of_documents in replace(summary, params=params, dataset=dataset).markdown().splitlines()


def test_without_validation_and_test_split_it_says_that_nothing_was_evaluated(summary: Summary) -> None:
    bare = replace(summary, scores={})
    assert rows(bare)["loss"].startswith("not evaluated")
    assert "not evaluated" in bare.markdown()


def test_the_command_opens_the_store_that_was_used_in_a_shell(summary: Summary, finished: Finished) -> None:
    command, address = summary.ui_command().splitlines()
    words = shlex.split(command)
    assert words[words.index("--backend-store-uri") + 1] == finished.workplace.uri
    assert f"/runs/{finished.run_id}" in address


def test_a_server_needs_no_command_only_its_address(summary: Summary) -> None:
    served = replace(summary, run=replace(summary.run, uri="http://tracking.example:5000/"))
    run = served.run
    expected = f"open http://tracking.example:5000/#/experiments/{run.experiment_id}/runs/{run.run_id}"
    assert served.ui_command().startswith(expected)
    assert served.text().endswith(served.ui_command())


@pytest.mark.parametrize("uri", ["http://me:hunter2@host:5000/", "postgresql://me:hunter2@host/mlflow"])
def test_the_credentials_of_the_store_are_not_shown(uri: str, summary: Summary) -> None:
    served = replace(summary, run=replace(summary.run, uri=uri))
    assert "hunter2" not in served.text()
    assert "://***@host" in served.ui_command()


def test_the_description_names_the_registered_version_or_says_that_there_is_none(summary: Summary) -> None:
    assert f"registered as `charrnn` version {summary.model_version}" in summary.markdown()
    assert summary.promotion is not None
    assert summary.markdown().endswith(f"version {summary.model_version}; {summary.promotion.reason}")
    away = replace(summary, version=ModelVersion("", ""), promotion=None)
    assert away.markdown().endswith("registered when the tracking store is back")
    without = replace(summary, version=None, promotion=None)
    assert without.markdown().endswith("not registered")


def test_the_description_has_the_figures_of_the_run(summary: Summary) -> None:
    text = summary.markdown()
    assert "60,000 characters" in text
    assert f"sha256 `{summary.corpus.sha256[:12]}`" in text
    assert "lstm 1x48" in text
    assert "60 steps" in text
    assert f"s ({60 * 8 * 25 / summary.training.seconds:,.0f} characters/s) on CPU" in text
    assert f"best checkpoint of step {summary.training.best_step}" in text
