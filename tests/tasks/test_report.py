"""The report of a run: an artifact, a description of its version, and never a reason to fail."""

from pathlib import Path
from typing import Any

import pytest

from tests.workplace import Finished, Workplace, call


def test_a_run_keeps_its_report_and_its_model_card(finished: Finished) -> None:
    client = finished.workplace.client
    page = Path(client.download_artifacts(finished.run_id, "report/report.html")).read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert f"<title>Report: run {finished.run_id}</title>" in page
    card = Path(client.download_artifacts(finished.run_id, "report/model_card.md")).read_text("utf-8")
    assert card.startswith("# Model card\n\n- **Model** lstm 1x48")
    version = client.get_model_version("charrnn", finished.summary.model_version)
    assert version.description == "champion: the first one\n\n#" + card.removesuffix("\n")


def test_a_report_that_fails_does_not_fail_the_run(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a fault of the report")

    monkeypatch.setattr("tasks.report.measure", fail)
    with caplog.at_level("INFO", logger="charrnn"):
        answer = call(*workplace.options, "--set", "training.max_steps=5", "--set", "report.seconds=10", "--quiet")
    assert answer.code == 0, answer.err
    assert [one for one in caplog.messages if "report" in one] == [
        "warning   there is no report: a fault of the report"
    ]
    (run_id,) = workplace.runs()
    assert workplace.client.get_run(run_id).info.status == "FINISHED"
    assert workplace.client.get_model_version("charrnn", "1").description == "champion: the first one"
    assert not workplace.client.list_artifacts(run_id, "report")


@pytest.mark.parametrize(
    "setting", [["report.seconds=0"], ["splits.val_fraction=0", "splits.test_fraction=0"]], ids=["none", "nothing"]
)
def test_no_report_is_made_where_none_is_wanted_or_there_is_no_text_for_it(
    workplace: Workplace, caplog: pytest.LogCaptureFixture, setting: list[str]
) -> None:
    given = [part for text in ["report.seconds=10", *setting, "training.max_steps=5"] for part in ("--set", text)]
    answer = call(*workplace.options, *given, "--quiet")
    assert answer.code == 0, answer.err
    assert not [one for one in caplog.messages if "warning" in one and "report" in one]
    (run_id,) = workplace.runs()
    assert not workplace.client.list_artifacts(run_id, "report")
