"""Runs beside each other, without a store."""

import re
from typing import Any

from charrnn.evaluation.metrics import METRICS
from tasks.tracking.comparison import Comparison, compared_metrics
from tasks.tracking.runs import RunRecord


def record(number: int, **changes: object) -> RunRecord:
    values: dict[str, Any] = {
        "run_id": f"{number}" * 32,
        "name": f"run {number}",
        "status": "FINISHED",
        "seconds": 60.0 + number,
        "params": {
            "model.hidden_size": str(64 * number),
            "training.seed": "1",
            "data.directory": f"/somewhere/{number}",
        },
        "metrics": {
            "train/loss": [(1, 3.0), (20, 2.0)],
            "val/loss": [(20, 2.1)],
            "best/loss": [(20, 2.0 + number / 10)],
            "train/chars_per_second_so_far": [(10, 1000.0), (15, 5000.0), (20, 3200.0)],
        },
        "sample": "To be, <or> not | to be",
    }
    return RunRecord(**{**values, **changes})


def test_only_parameters_that_differ_and_say_what_was_done_are_shown() -> None:
    differences = Comparison([record(1), record(2)]).differences()
    assert list(differences.index) == ["model.hidden_size"]
    assert list(differences.loc["model.hidden_size"]) == ["64", "128"]


def test_a_parameter_that_one_run_does_not_have_differs() -> None:
    other = record(2, params={**record(1).params, "model.dropout": "0.1"})
    assert list(Comparison([record(1), other]).differences().index) == ["model.dropout"]


def test_results_are_the_last_values() -> None:
    results = Comparison([record(1), record(2)]).results()
    assert list(results.columns) == ["run 1", "run 2"]
    assert list(results.loc["val loss"]) == ["2.1000", "2.2000"]
    assert list(results.loc["steps"]) == ["20", "20"]
    assert list(results.loc["characters/s"]) == ["3,200", "3,200"]
    assert list(results.loc["time (s)"]) == ["61", "62"]
    assert "test loss" not in results.index


def test_the_metrics_that_have_a_title_are_shown_split_by_split() -> None:
    metrics = {f"{prefix}/{key}": [(20, 0.5)] for prefix in ("test", "best") for key in METRICS}
    results = Comparison([record(1, metrics=metrics)]).results()
    titles = [metric.title for metric in METRICS.values() if metric.title]
    assert titles[:2] == ["loss", "bits/char"]
    expected = [*(f"val {title}" for title in titles), *(f"test {title}" for title in titles)]
    assert list(results.index) == [*expected, "time (s)", "status"]
    assert results.loc["test bits/char", "run 1"] == "0.5000"


def test_a_run_that_has_nothing_yet_is_shown_all_the_same() -> None:
    empty = record(2, status="RUNNING", seconds=None, metrics={}, params={}, sample="")
    comparison = Comparison([record(1), empty])
    assert list(comparison.results()["run 2"]) == ["", "", "", "", "RUNNING"]
    assert comparison.picture().startswith(b"\x89PNG")


def test_runs_of_the_same_name_are_told_apart_by_their_ids() -> None:
    columns = Comparison([record(1, name="same"), record(2, name="same"), record(3)]).results().columns
    assert list(columns) == ["same (11111111)", "same (22222222)", "run 3"]


def test_a_cell_of_markdown_stays_one_cell_and_a_sample_ends_no_block() -> None:
    text = Comparison([record(1, name="a|b", sample="```\n# not a heading")]).markdown()
    assert "| a\\|b |" in text
    assert "\n    ```\n    # not a heading" in text


def test_a_value_with_line_ends_stays_in_its_row_and_two_values_that_look_alike_still_differ() -> None:
    separators = ("\nFrom ", "\\nFrom ", "a|\x1b[2J")
    runs = [record(n, params={"data.documents": text}) for n, text in enumerate(separators, start=1)]
    text = Comparison(runs).markdown()
    (row,) = [line for line in text.splitlines() if "data.documents" in line]
    assert row == "| data.documents | \\nFrom  | \\nFrom  | a\\|\\x1b[2J |"
    assert "<td>\\nFrom</td>" in Comparison(runs).html()
    headers = Comparison([record(1, name="two\nlines")]).markdown()
    assert "|  | two\\nlines |" in headers
    assert "### two\\nlines" in headers


def test_the_page_stands_alone_and_shows_texts_as_they_are() -> None:
    page = Comparison([record(1, name="<b>"), record(2)]).html()
    assert "To be, &lt;or&gt; not | to be" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert re.findall(r'(?:src|href)="([^"]{0,22})', page) == ["data:image/png;base64,"]


def test_every_figure_shown_is_one_that_is_read() -> None:
    wanted: set[str] = set()

    class Watched(RunRecord):
        def curve(self, metric: str) -> list[tuple[int, float]]:
            wanted.add(metric)
            return super().curve(metric)

    comparison = Comparison([Watched(**vars(record(1)))])
    comparison.html()
    assert wanted == set(compared_metrics())
