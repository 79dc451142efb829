"""`charrnn compare` on a run that has ended."""

import time
from pathlib import Path

import pytest

from charrnn.config.loading import load_params
from tests.workplace import Called, Finished, captured, start_run


def call_compare(finished: Finished, *arguments: str) -> Called:
    return captured("compare", *arguments, *finished.workplace.places)


def test_the_newest_runs_of_the_experiment_are_compared_without_their_ids(finished: Finished) -> None:
    newest = call_compare(finished, "--last", "1")
    assert newest.code == 0
    assert newest.out.count("###") == 1
    every = call_compare(finished, "--last", "1000")
    assert every.out.count("###") == len(finished.workplace.runs("charrnn"))


def test_runs_are_shown_and_written_down(finished: Finished, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("c.md", "c.png", "c.html")]
    options = [
        part
        for flag, path in zip(("--markdown", "--picture", "--html"), files, strict=True)
        for part in (flag, str(path))
    ]
    answer = call_compare(finished, finished.run_id, *options)
    assert answer.code == 0
    assert sorted(answer.err.splitlines()) == sorted(f"written: {path}" for path in files)
    score = finished.summary.scores["val"].loss
    assert f"| val loss | {score:.4f} |" in answer.out
    assert finished.summary.samples[len(finished.summary.samples) // 2][0][:20].splitlines()[0] in answer.out
    assert files[0].read_text(encoding="utf-8") == answer.out
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert f"{score:.4f}" in files[2].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0" * 32], "there is no such run"),
        (["--last", "0"], "--last: must be >= 1, got 0"),
        (["--last", "1", "0" * 32], "run ids are compared as given"),
        (["--experiment", "without runs"], "'without runs' has no runs to compare"),
        (["--last", "1", "--html", "/dev/null/c.html"], "/dev/null"),
    ],
)
def test_mistakes_are_one_line(finished: Finished, arguments: list[str], message: str) -> None:
    experiments = len(finished.workplace.client.search_experiments())
    answer = call_compare(finished, *arguments)
    assert answer.code == 2
    assert len(finished.workplace.client.search_experiments()) == experiments
    assert message in answer.err
    assert answer.err.count("\n") == 1


def test_the_newest_come_first(tmp_path: Path) -> None:
    params = load_params([], [f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", f"data.directory={tmp_path}"])
    for name in ("one", "two", "three"):
        start_run(params, name, {})
        time.sleep(0.01)  # MLflow counts milliseconds
    places = ["--set", f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"]
    answer = captured("compare", "--last", "2", *places)
    assert "|  | three | two |" in answer.out
