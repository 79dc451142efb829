"""`charrnn train` before it runs anything: the dry run, settings, logging; runs are in tests/flows/test_pipeline.py."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from charrnn.config.loading import load_params
from flows.cli.train import prepare
from tests.workplace import SMOKE, Called, call

PLAN = ["download", "encode", "train", "evaluate", "sample", "register"]


@pytest.fixture(autouse=True)
def _settings_put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    logger = logging.getLogger("charrnn")
    handlers, level = list(logger.handlers), logger.level
    monkeypatch.setattr(os, "environ", os.environ.copy())
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def plan(answer: Called) -> dict[str, str]:
    """Return the lines of the plan by their first word."""
    assert answer.code == 0, answer.err
    lines = [line.removeprefix("# ") for line in answer.out.splitlines() if line.startswith("# ")]
    return {line.split()[0]: line for line in lines}


def test_a_dry_run_prints_parameters_that_read_back_and_a_line_for_each_task(tmp_path: Path) -> None:
    answer = call("--params", str(SMOKE), "--set", "training.seed=7", "--dry-run")
    assert answer.err == ""
    assert list(plan(answer)) == ["Would", *PLAN]
    (tmp_path / "resolved.yaml").write_text(answer.out)
    resolved = load_params([tmp_path / "resolved.yaml"])
    assert resolved == load_params([SMOKE], ["training.seed=7"])


@pytest.mark.parametrize(
    ("override", "task", "words"),
    [
        ("data.sources=['http://a/','http://b/','c']", "download", "the first of 3 sources"),
        ("data.directory=/some/where", "download", "kept in /some/where"),
        ("model.cell=gru", "train", "gru 1x48 until 60 steps"),
        ("training.max_minutes=2.5", "train", "until 60 steps, or 2.5 minutes"),
        ("training.patience=4", "train", "4 evaluations without improvement"),
        ("training.epochs=3", "train", "3 epochs, or 60 steps"),
        ("sampling.temperatures=[0.5]", "sample", "200 characters at temperatures [0.5]"),
        ("tracking.registered_model=novel", "register", "as novel"),
        ("tracking.registered_model=null", "register", "nothing"),
    ],
)
def test_the_plan_follows_the_parameters(override: str, task: str, words: str) -> None:
    assert words in plan(call("--params", str(SMOKE), "--set", override, "--dry-run"))[task]


def test_one_minute_is_not_called_minutes() -> None:
    limits = [f"training.{name}=1" for name in ("epochs", "max_steps", "max_minutes", "patience")]
    train = plan(call("--params", str(SMOKE), *(part for text in limits for part in ("--set", text)), "--dry-run"))[
        "train"
    ]
    assert train.endswith(" until 1 epoch, or 1 step, or 1 minute, or 1 evaluation without improvement")


def test_the_plan_says_which_run_would_go_on() -> None:
    assert "go on with run 0123abc" in plan(call("--resume", "0123abc", "--dry-run"))["Would"]


def test_the_name_is_a_parameter_and_wins() -> None:
    answer = call("--name", "a name: with colon", "--set", "tracking.run_name=other", "--dry-run")
    assert yaml.safe_load(answer.out)["tracking"]["run_name"] == "a name: with colon"


def test_a_dry_run_refuses_what_a_run_would_refuse() -> None:
    answer = call("--set", "training.seed=-1", "--dry-run")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "error: --set: training.seed: must be >= 0, got -1\n"


def test_a_text_is_looked_for_beside_the_overlay_that_names_it_from_whatever_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text("data: {sources: [story.txt]}\n")
    (tmp_path / "story.txt").write_text("Once upon a time")
    (tmp_path / "elsewhere").mkdir()
    for folder, overlay in ((tmp_path, "mine.yaml"), (tmp_path / "elsewhere", "../mine.yaml")):
        monkeypatch.chdir(folder)
        answer = call("--params", str(SMOKE), "--params", overlay, "--dry-run")
        assert (answer.code, answer.err) == (0, "")
        assert yaml.safe_load(answer.out)["data"]["sources"] == [f"{tmp_path}/story.txt"]
    (tmp_path / "story.txt").rename(tmp_path / "elsewhere" / "story.txt")
    answer = call("--params", "../mine.yaml", "--dry-run")
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert f"nothing is at {tmp_path}/story.txt, but {tmp_path}/elsewhere/story.txt is there" in line


def test_a_dry_run_refuses_a_text_that_is_not_there(tmp_path: Path) -> None:
    answer = call("--set", f"data.sources=['{tmp_path}/a.txt', '{tmp_path}/*.text']", "--dry-run")
    problems = f"{tmp_path}/a.txt: No such file or directory; {tmp_path}/*.text: no file matches"
    assert (answer.code, answer.out, answer.err) == (2, "", f"error: no source of text answers: {problems}\n")
    (tmp_path / "a.txt").touch()
    answer = call("--set", f"data.sources=['{tmp_path}/a.txt']", "--dry-run")
    assert (answer.code, answer.out, answer.err) == (2, "", f"error: {tmp_path}/a.txt: is empty\n")


def test_a_dry_run_names_a_text_that_is_not_there_before_one_that_may_be(tmp_path: Path) -> None:
    answer = call("--set", f"data.sources=['{tmp_path}/a.txt', 'http://host.invalid/a.txt']", "--dry-run")
    assert (answer.code, answer.err) == (0, f"warning: {tmp_path}/a.txt: No such file or directory\n")


def test_a_dry_run_shows_no_credentials() -> None:
    answer = call("--set", "data.sources=['https://me:hunter2@host/a.txt']", "--dry-run")
    assert "hunter2" not in answer.out
    assert "https://***@host/a.txt" in answer.out


@pytest.mark.parametrize(("quiet", "level"), [(False, logging.INFO), (True, logging.WARNING)])
def test_quiet_lets_only_warnings_through(quiet: bool, level: int) -> None:
    prepare(quiet=quiet)
    assert logging.getLogger("charrnn").level == level


def test_settings_of_prefect_and_mlflow_are_made_and_those_of_the_user_stay() -> None:
    os.environ.pop("MLFLOW_DISABLE_TELEMETRY", None)
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "true"
    prepare(quiet=False)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "true"
