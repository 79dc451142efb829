"""Drift in the pipeline: real runs on what a download may bring, after one that has become the champion."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from tasks.tracking.runs import DRIFT_TAG, PROFILE_FILE
from tests.texts import made_up_play
from tests.workplace import Called, Workplace, call

# The module, whose name the task of the same name has in the package `flows.pipeline`.
first = importlib.import_module("tasks.drift")._first

OLD = made_up_play(40_000)
FAST = (
    "drift.action=warn",
    *("training.max_steps=20", "evaluation.adaptive_seconds=0", "evaluation.sample_length=0", "sampling.length=20"),
    *("data.max_characters=null", "sampling.temperatures=[1]"),
)
PAGE = "<!DOCTYPE html>\n<html>" + "<div class='error'>503 Service Unavailable</div>\n" * 900 + "</html>\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> Workplace:
    folder = tmp_path_factory.mktemp("a workplace")
    place = Workplace(folder, folder / "nightly.txt", api_url)
    first = train(place, OLD)
    assert (first.code, "drift" in first.err) == (0, False), first.err
    return place


def train(place: Workplace, text: str, *changes: str) -> Called:
    place.text.write_text(text, encoding="utf-8")
    options = [part for change in (*FAST, *changes) for part in ("--set", change)]
    return call(*place.options, "--quiet", *options)


def newest(place: Workplace) -> str:
    return place.runs()[0]


def tag(place: Workplace) -> str:
    return place.client.get_run(newest(place)).data.tags[DRIFT_TAG]


def has(place: Workplace, path: str) -> bool:
    folder = path.rpartition("/")[0] or None
    return path in {item.path for item in place.client.list_artifacts(newest(place), folder)}


def test_a_text_that_grows_is_as_usual_and_its_run_has_the_figures(place: Workplace) -> None:
    answer = train(place, made_up_play(44_000))
    assert (answer.code, answer.err) == (0, "")
    assert tag(place) == "none"
    metrics = place.client.get_run(newest(place)).data.metrics
    assert 1.09 < metrics["drift/size"] < 1.11
    assert metrics["drift/new_characters"] > 2_000
    assert metrics["drift/new_loss"] > 1
    for path in (PROFILE_FILE, "drift/comparison.json", "drift/comparison.png"):
        assert has(place, path), path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (PAGE, "is a page of HTML, which the champion's is not"),
        (OLD[:20_000], "is it cut off?"),
        (OLD * 2, "repeats itself: 5"),
    ],
    ids=["HTML", "truncated", "repeated"],
)
def test_a_bad_download_is_recognised_every_night_and_becomes_no_champion(
    place: Workplace, text: str, found: str
) -> None:
    before = champions(place)
    for _ in range(2 if text == PAGE else 1):
        answer = train(place, text, *(["tracking.promotion=never"] if text == OLD * 2 else []))
        assert answer.code == 0, answer.err
        assert found in answer.err
        assert found in tag(place)
        assert champions(place) == before
    good = train(place, OLD, "tracking.promotion=never")
    assert (good.err, tag(place)) == ("", "none")


def champions(place: Workplace) -> dict[str, str]:
    models = place.client.search_registered_models()
    return {model.name: str(model.aliases["champion"]) for model in models if model.aliases}


def test_what_is_new_is_cut_to_its_first_characters() -> None:
    spans = np.array([[0, 3], [5, 500_005], [600_000, 600_009]])
    assert first(spans, 100_000).tolist() == [[0, 3], [5, 100_002]]
    assert first(spans, 500_003).tolist() == [[0, 3], [5, 500_005]]
    assert first(spans, 10**6).tolist() == spans.tolist()


def test_an_empty_download_ends_the_run_before_it_begins(place: Workplace) -> None:
    before = place.runs()
    answer = train(place, "")
    assert answer.code == 2
    assert "is empty" in answer.err
    assert place.runs() == before


def test_stop_ends_the_run_before_anything_is_trained_and_warn_takes_it_up(place: Workplace) -> None:
    answer = train(place, PAGE, "drift.action=stop")
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert line.startswith("error: drift.action stop: the text is a page of HTML, which the champion's is not; has ")
    run_id = newest(place)
    assert line.endswith(f"to train on it all the same: --resume {run_id} --set drift.action=warn")
    run = place.client.get_run(run_id)
    assert (run.info.status, run.data.params["drift.action"]) == ("FAILED", "stop")
    assert has(place, "drift/comparison.json")
    assert place.client.get_metric_history(run_id, "train/loss") == []
    assert not list((place.data_folder / "checkpoints").glob(f"{run_id}/*"))

    assert call("--set", f"tracking.uri={place.uri}", "--resume", run_id).code == 2
    on = call("--set", f"tracking.uri={place.uri}", "--resume", run_id, "--set", "drift.action=warn", "--no-promote")
    assert on.code == 0, on.err
    found = place.client.get_run(run_id).data.tags[DRIFT_TAG].split("; ")
    assert len(found) > 1
    warnings = [line for line in on.err.splitlines() if line.startswith("warning ")]
    assert warnings == [f"warning   the text {one}" for one in found]
    assert len(place.client.get_metric_history(run_id, "train/loss")) == 20
    assert [metric.step for metric in place.client.get_metric_history(run_id, "drift/size")] == [0]


def test_ignore_compares_nothing_and_keeps_what_a_later_text_is_compared_with(place: Workplace) -> None:
    answer = train(place, PAGE, "drift.action=ignore", "tracking.promotion=never")
    assert (answer.code, answer.err) == (0, "")
    assert has(place, PROFILE_FILE)
    assert not has(place, "drift/comparison.json")


def test_a_text_from_elsewhere_is_not_compared_with_a_champion_that_it_does_not_have(
    place: Workplace, tmp_path: Path
) -> None:
    other = Workplace(place.folder, tmp_path / "other.txt", place.api_url)
    assert train(other, made_up_play(30_000)[::-1]).err == ""
    assert not has(place, "drift/comparison.json")
    # The champion's text in it, under another name: it is.
    renamed = Workplace(place.folder, tmp_path / "renamed.txt", place.api_url)
    assert train(renamed, OLD, "tracking.promotion=never").err == ""
    assert has(place, "drift/comparison.json")


def test_the_table_is_shown_in_the_ui_and_a_champion_without_a_profile_stops_nothing(place: Workplace) -> None:
    assert train(place, OLD, "tracking.promotion=never").code == 0
    run_id = newest(place)
    tables = json.loads(place.client.get_run(run_id).data.tags["mlflow.loggedArtifacts"])
    assert {"path": "drift/comparison.json", "type": "table"} in tables
    champion = place.client.get_model_version_by_alias("charrnn", "champion")
    (profile,) = (place.folder / "runs here").rglob(f"{champion.run_id}/artifacts/{PROFILE_FILE}")
    profile.unlink()
    answer = train(place, OLD, "drift.action=stop", "tracking.promotion=never")
    assert (answer.code, answer.err) == (0, "")
    assert not has(place, "drift/comparison.json")
