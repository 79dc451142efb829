"""The whole pipeline on a real Prefect server and a real MLflow store: every promise about a run, read back."""

import json
import math
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import mlflow
import pandas as pd
import pytest
import torch
import yaml
from mlflow.entities import Run
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, FlowRunFilter, FlowRunFilterId

from charrnn.config.loading import PROJECT
from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.writing import flatten
from charrnn.stopping import StopRequest
from charrnn.training import loop as training
from charrnn.training.checkpoint import load_checkpoint
from charrnn.training.events import Steps, TrainEvent
from charrnn.training.rollback import train_with_rollback
from charrnn.training.state import TrainState
from charrnn.training.step import make_step
from tests.recorded import dataset_inputs, profile
from tests.texts import made_up_play
from tests.workplace import Finished, Workplace, call

TASKS = ["download", "encode", "drift", "train", "evaluate", "sample", "report", "register", "promote"]


@pytest.fixture
def run(finished: Finished) -> Run:
    return finished.workplace.client.get_run(finished.run_id)


def artifact(finished: Finished, path: str) -> Path:
    return Path(finished.workplace.client.download_artifacts(finished.run_id, path))


def history(finished: Finished, key: str) -> dict[int, float]:
    metrics = finished.workplace.client.get_metric_history(finished.run_id, key)
    steps = {metric.step: metric.value for metric in metrics}
    assert len(steps) == len(metrics), f"{key} has a step twice"
    return steps


def test_a_run_ends_finished_with_its_parameters_flattened(finished: Finished, run: Run) -> None:
    assert run.info.status == "FINISHED"
    # What `splits.by` null means is recorded.
    assert run.data.params == flatten(finished.summary.params) | {"splits.by": "position"}
    assert run.data.params["model.hidden_size"] == "48"


def test_the_loss_of_every_step_is_logged_once_and_falls(finished: Finished) -> None:
    losses = history(finished, "train/loss")
    assert list(losses) == list(range(1, 61))
    assert losses[60] < losses[1] - 0.5
    for key in ("train/grad_norm", "train/learning_rate", "train/chars_per_second", "train/epoch"):
        assert list(history(finished, key)) == [10, 20, 30, 40, 50, 60]


def test_the_speed_of_a_run_is_its_characters_by_its_seconds(finished: Finished) -> None:
    seconds = load_checkpoint(finished.checkpoints / "last.ckpt").state["progress"]["elapsed"]
    speeds = history(finished, "train/chars_per_second_so_far")
    assert list(speeds) == [10, 20, 30, 40, 50, 60]
    assert speeds[60] >= 60 * 8 * 25 / seconds  # the last evaluation comes after the last step
    assert finished.summary.training.characters == 60 * 8 * 25


def test_the_number_of_threads_is_logged_when_it_is_chosen(finished: Finished) -> None:
    assert history(finished, "train/threads") == {0: 1}


def test_evaluations_are_logged_in_nats_and_bits(finished: Finished) -> None:
    losses, bits = history(finished, "val/loss"), history(finished, "val/bits_per_char")
    assert list(losses) == list(bits) == [20, 40, 60]
    assert bits[60] == pytest.approx(losses[60] / math.log(2))


@pytest.mark.parametrize("split", ["best", "test"])
def test_the_best_checkpoint_is_evaluated_against_baselines(run: Run, split: str) -> None:
    metrics = run.data.metrics
    loss = metrics[f"{split}/loss"]
    assert metrics[f"{split}/bits_per_char"] == pytest.approx(loss / math.log(2))
    assert metrics[f"{split}/perplexity"] == pytest.approx(math.exp(loss))
    assert 0 < metrics[f"{split}/accuracy"] < 1
    assert metrics[f"{split}/5gram_loss"] < metrics[f"{split}/unigram_loss"] < math.log(30)


def test_the_table_of_metrics_names_each_that_a_run_logs_and_no_other(run: Run) -> None:
    page = (PROJECT / "docs/operations.md").read_text(encoding="utf-8")
    section = page.partition("## The metrics of a run")[2].partition("\n## ")[0]
    named = {name for row in section.splitlines() for name in re.findall(r"`(\w+/\w+)`", row) if row.startswith("|")}
    assert named == set(run.data.metrics)


def test_system_metrics_can_be_logged(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "1")
    answer = call(*workplace.options, "--set", "training.max_steps=600", "--quiet")
    assert answer.code == 0, answer.err
    metrics = workplace.client.get_run(answer.out.strip()).data.metrics
    assert "system/cpu_utilization_percentage" in metrics


def test_the_curves_are_there_as_a_picture(finished: Finished) -> None:
    assert artifact(finished, "loss_curves.png").read_bytes().startswith(b"\x89PNG")


def test_checkpoints_are_artifacts_that_load(finished: Finished) -> None:
    best = load_checkpoint(artifact(finished, "checkpoints/best.ckpt"))
    last = load_checkpoint(artifact(finished, "checkpoints/last.ckpt"))
    assert last.step == 60
    assert best.step == finished.summary.training.best_step
    assert best.run_id == finished.run_id


def test_samples_are_logged_at_every_evaluation_and_in_the_end(finished: Finished) -> None:
    client = finished.workplace.client
    in_training = [item.path for item in client.list_artifacts(finished.run_id, "samples/training")]
    assert in_training == [f"samples/training/step-{step:08d}.txt" for step in (20, 40, 60)]
    text = artifact(finished, "samples/temperature-0.8.txt").read_text()
    assert len(text) == 200
    assert [text] == finished.summary.samples[0]


def tables(run: Run) -> set[str]:
    return {entry["path"] for entry in json.loads(run.data.tags["mlflow.loggedArtifacts"])}


def read_table(finished: Finished, path: str) -> pd.DataFrame:
    return pd.DataFrame(**json.loads(artifact(finished, path).read_text()))


def test_samples_stand_in_one_table_with_what_made_them(finished: Finished, run: Run) -> None:
    assert "samples/samples.json" in tables(run)
    frame = read_table(finished, "samples/samples.json")
    assert list(frame["temperature"]) == [0.8, 1.0]
    assert [[text] for text in frame["text"]] == finished.summary.samples
    assert {*SamplingOptions.model_fields, "text", "logprob"} == set(frame.columns)
    assert list(frame.columns)[:3] == ["temperature", "text", "seed"]
    assert (frame["logprob"] < 0).all()


def test_the_characters_stand_in_a_table(finished: Finished, run: Run) -> None:
    assert "vocabulary/characters.json" in tables(run)
    frame = read_table(finished, "vocabulary/characters.json")
    assert frame["count"].sum() == 60_000
    assert frame.loc[frame["character"] == "\\n", "name"].item() == "LINE FEED"
    assert json.loads(artifact(finished, "vocabulary/vocabulary.json").read_text())["characters"][0] == "\n"


def test_how_the_splits_compare_with_train_is_logged_before_the_training(finished: Finished, run: Run) -> None:
    assert "splits/comparison.json" in tables(run)
    frame = read_table(finished, "splits/comparison.json").set_index("split")
    assert list(frame.index) == ["val", "test"]
    for split in frame.index:
        assert history(finished, f"splits/{split}_unseen_share") == {0: 0.0}
        assert history(finished, f"splits/{split}_loss_gap") == {0: pytest.approx(frame.loc[split, "gap"])}
    assert list(frame["differs"]) == ["no", "no"]


def test_a_text_that_ends_in_another_language_is_told_and_goes_on(
    workplace: Workplace, caplog: pytest.LogCaptureFixture
) -> None:
    workplace.text.write_text(made_up_play(30_000), encoding="utf-8")
    workplace.text.with_name("b play.txt").write_text("Мой дядя самых честных правил. " * 60, encoding="utf-8")
    options = [f"data.sources=['{workplace.folder}/*.txt']", "splits.val_fraction=0.03", "training.max_steps=20"]
    command = [*workplace.options, *(part for text in options for part in ("--set", text)), "--quiet"]
    answer = call(*command)
    assert answer.code == 0, answer.err
    (warning,) = [message for message in caplog.messages if "splits.by" in message]
    assert warning.startswith("warning   val does not resemble train (a 5-gram of train gives it ")
    assert "of its characters never occur in train" in warning
    caplog.clear()
    again = call(*command, "--resume", answer.out.strip(), "--set", "training.max_steps=30")
    assert again.code == 0, again.err
    metrics = workplace.client.get_metric_history(answer.out.strip(), "splits/val_unseen_share")
    assert [metric.step for metric in metrics] == [0]
    assert metrics[0].value > 0.7


@pytest.mark.parametrize("table", ["loss_by_position", "costliest_characters"])
def test_where_the_loss_comes_from_stands_in_tables(finished: Finished, run: Run, table: str) -> None:
    for split in ("best", "test"):
        assert f"evaluation/{split}_{table}.json" in tables(run)
        assert len(read_table(finished, f"evaluation/{split}_{table}.json")) > 1


def test_the_parameters_are_kept_as_resolved(finished: Finished) -> None:
    values = yaml.safe_load(artifact(finished, "params.yaml").read_text())
    assert values == finished.summary.params.model_dump(mode="json")


def test_the_text_is_the_runs_dataset_with_its_digest(finished: Finished, run: Run) -> None:
    datasets = {item.tags[0].value: item.dataset for item in dataset_inputs(run)}
    assert set(datasets) == {"train", "val", "test"}
    assert datasets["train"].digest.startswith(finished.summary.corpus.sha256[:12])
    assert profile(datasets["train"])["characters"] == 60_000 - 2 * 1_800
    assert run.data.tags["corpus.sha256"] == finished.summary.corpus.sha256
    assert run.data.tags["corpus.source"].endswith("a play.txt")
    assert run.data.tags["corpus.encoding"] == "utf-8"
    assert run.data.tags["corpus.bytes"] == "60000"


def test_code_packages_and_hardware_are_recorded(finished: Finished, run: Run) -> None:
    tags = run.data.tags
    assert tags["version.torch"].startswith("2.13.0")
    assert "cores" in tags["cpu"]
    assert "torch==" in artifact(finished, "environment/packages.txt").read_text()
    if (PROJECT / ".git").exists():
        assert len(tags["git.commit"]) == 40
        assert tags["git.dirty"] in ("true", "false")


def test_the_description_says_in_six_lines_what_happened(run: Run) -> None:
    lines = run.data.tags["mlflow.note.content"].splitlines()
    assert [line.split("**")[1] for line in lines] == ["Text", "Splits", "Model", "Training", "Result", "Kept"]


def test_prefect_and_mlflow_point_at_each_other(finished: Finished, run: Run) -> None:
    flow_run_id = run.data.tags["prefect.flow_run_id"]
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(UUID(flow_run_id))
        assert flow_run.state is not None
        assert flow_run.state.is_completed()
        task_runs = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id])))
        by_time = sorted((item.start_time, item.name) for item in task_runs if item.start_time)
        assert [name.rpartition("-")[0] for _, name in by_time] == TASKS
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id]))
        )
        artifacts = {item.key: item for item in found}
    assert finished.run_id in str(artifacts["mlflow-run"].data)
    assert "**Result**" in str(artifacts["summary"].data)
    assert artifacts["training"].data == 100.0


PREDICT = """
import sys, pandas as pd, mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/charrnn/1")
frame = pd.DataFrame({"prime": ["QUEEN:", "The "], "length": [30, 50], "temperature": [0.5, 1.0],
                      "top_k": [10, 5], "top_p": [0.9, 1.0], "seed": [1, 2]})
print([len(text) for text in model.predict(frame)["text"]])
print(model.predict(pd.DataFrame({"prime": ["QUEEN:"]}))["text"].str.len().item())
print(model.metadata.signature.inputs, model.metadata.signature.outputs.input_names())
"""


def test_the_registered_model_writes_text_in_a_fresh_process_away_from_here(finished: Finished, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, finished.workplace.uri], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[:2] == ["[30, 50]", "1000"], done.stderr
    assert done.stdout.splitlines()[2] == "None ['text', 'warnings']"


def test_the_registered_model_holds_code_and_pins_but_no_pickle(finished: Finished, tmp_path: Path) -> None:
    client = finished.workplace.client
    version = client.get_model_version("charrnn", finished.summary.model_version)
    assert version.run_id == finished.run_id
    location = client.get_model_version_download_uri("charrnn", version.version)
    folder = Path(mlflow.artifacts.download_artifacts(location, dst_path=str(tmp_path)))
    assert (folder / "code" / "charrnn" / "serving.py").exists()
    assert "torch==2.13.0" in (folder / "requirements.txt").read_text().splitlines()
    assert (folder / "input_example.json").exists()
    assert not list(folder.rglob("*.pkl"))


def test_a_second_run_re_uses_the_encoding_and_says_so(finished: Finished, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="charrnn"):
        answer = call(*finished.workplace.options, "--set", "training.max_steps=5", "--name", "second")
    assert answer.code == 0, answer.err
    assert any("prepared earlier" in message for message in caplog.messages)
    assert any("a play.txt: 0.06 MB, read" in message for message in caplog.messages)


def test_the_summary_says_what_came_of_it(workplace: Workplace) -> None:
    answer = call(*workplace.options, "--name", "a name")
    (run_id,) = workplace.runs()
    assert answer.code == 0, answer.err
    for part in ("corpus", "best val loss", "test loss", "bits per character", "time", run_id, "-m mlflow ui --host"):
        assert part in answer.out
    assert workplace.client.get_run(run_id).info.run_name == "a name"


def test_quiet_prints_exactly_the_run_id_from_any_folder(workplace: Workplace) -> None:
    process = workplace.start(*workplace.options, "--quiet")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert out == f"{workplace.runs()[0]}\n"


def wait_for_a_checkpoint(workplace: Workplace) -> Path:
    """Wait until a started run has saved some steps; return the folder of all runs' checkpoints."""
    folder = workplace.folder / "the data" / "checkpoints"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any(load_checkpoint(path).step > 0 for path in folder.glob("*/last.ckpt")):
            break
        time.sleep(0.1)
    return folder


def test_a_stopped_run_is_killed_and_resumes_to_the_same_weights(workplace: Workplace, finished: Finished) -> None:
    longer = ["--set", "training.max_steps=1500", "--set", "evaluation.every_steps=500"]
    process = workplace.start(*workplace.options, *longer, "--quiet")
    folder = wait_for_a_checkpoint(workplace)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert out == ""
    (run_id,) = workplace.runs()
    assert workplace.client.get_run(run_id).info.status == "KILLED"
    assert f"--resume {run_id}" in err
    stopped_at = load_checkpoint(folder / run_id / "last.ckpt").step
    assert 0 < stopped_at < 1500

    answer = call("--set", f"tracking.uri={workplace.uri}", "--resume", "last", "--quiet")
    assert (answer.code, answer.out) == (0, f"{run_id}\n"), answer.err
    twin = call(*workplace.options, *longer, "--quiet")
    client = workplace.client
    for key in ("train/loss", "val/loss"):
        rows = [[(m.step, m.value) for m in client.get_metric_history(i, key)] for i in (run_id, twin.out.strip())]
        assert sorted(rows[0]) == sorted(rows[1])
    resumed = load_checkpoint(folder / run_id / "last.ckpt").state
    whole = load_checkpoint(folder / twin.out.strip() / "last.ckpt").state
    assert all(bool((whole["model"][name] == tensor).all()) for name, tensor in resumed["model"].items())


def test_a_run_whose_process_is_gone_does_not_stay_running(workplace: Workplace) -> None:
    process = workplace.start(*workplace.options, "--set", "training.max_steps=100000", "--quiet")
    wait_for_a_checkpoint(workplace)
    process.kill()
    process.communicate()
    (killed,) = workplace.runs()
    assert workplace.client.get_run(killed).info.status == "RUNNING"
    assert call(*workplace.options, "--quiet").code == 0
    assert workplace.client.get_run(killed).info.status == "KILLED"


def test_a_diverged_run_fails_with_the_error_as_a_tag(workplace: Workplace) -> None:
    answer = call(*workplace.options, "--set", "training.learning_rate=1e30", "--quiet")
    assert answer.code == 1
    assert answer.err.splitlines()[-1].startswith("error: training diverged at step")
    run = workplace.client.get_run(workplace.runs()[0])
    assert run.info.status == "FAILED"
    assert run.data.tags["error"].startswith("DivergedError: training diverged at step")
    assert run.data.metrics["train/rollbacks"] == 3


def test_a_diverged_run_goes_back_and_on_at_half_the_rate(
    workplace: Workplace, caplog: pytest.LogCaptureFixture
) -> None:
    rate = 100.0  # so high that the loss jumps, and a few halvings are enough
    options = ["training.optimizer=sgd", f"training.learning_rate={rate}", "training.schedule=constant"]
    options += ["training.max_rollbacks=12", "checkpoint.every_steps=5"]
    answer = call(*workplace.options, *(part for text in options for part in ("--set", text)), "--quiet")
    assert answer.code == 0, answer.err
    client, run_id = workplace.client, answer.out.strip()
    rollbacks = client.get_metric_history(run_id, "train/rollbacks")
    assert [row.value for row in rollbacks] == list(range(1, len(rollbacks) + 1))
    assert rollbacks
    steps = [row.step for row in client.get_metric_history(run_id, "train/loss")]
    assert sorted(steps) == list(range(1, 61))
    rates = {row.step: row.value for row in client.get_metric_history(run_id, "train/learning_rate")}
    assert rates[60] == rate / 2 ** len(rollbacks)
    assert sum("back to the checkpoint of step" in message for message in caplog.messages) == len(rollbacks)


def spoil(monkeypatch: pytest.MonkeyPatch, after: int, factor: float) -> None:
    """Have optimizer step `after` multiply the decoder's weights, once."""
    spoilt = False

    def spoiling(state: TrainState, *others: Any) -> Any:
        nonlocal spoilt
        result = make_step(state, *others)
        if state.progress.step == after and not spoilt:
            spoilt = True
            with torch.no_grad():
                state.model.decoder.weight *= factor
        return result

    monkeypatch.setattr(training, "make_step", spoiling)


def test_an_optimizer_step_that_breaks_the_weights_is_taken_back_though_a_checkpoint_has_it(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(monkeypatch, after=35, factor=1e4)
    answer = call(*workplace.options, "--set", "checkpoint.every_steps=5", "--quiet")
    assert answer.code == 0, answer.err
    back = [message for message in caplog.messages if "back to the checkpoint" in message]
    assert len(back) == 1
    assert "back to the checkpoint of step 30," in back[0]


def test_weights_that_are_not_finite_are_not_the_best_where_nothing_validates_them(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, after=40, factor=math.nan)
    options = ["splits.val_fraction=0", "training.ema_decay=null"]
    answer = call(*workplace.options, *(part for text in options for part in ("--set", text)), "--quiet")
    assert answer.code == 0, answer.err
    run_id = answer.out.strip()
    (rollback,) = workplace.client.get_metric_history(run_id, "train/rollbacks")
    assert rollback.step == 41
    (path,) = workplace.folder.rglob(f"checkpoints/{run_id}/best.ckpt")
    assert all(bool(tensor.isfinite().all()) for tensor in load_checkpoint(path).state["model"].values())


def test_a_stop_while_training_diverges_saves_the_weights_from_before(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop comes with the last good losses, when the state already contains the optimizer step that diverged."""
    spoil(monkeypatch, after=35, factor=math.nan)
    request = StopRequest()

    @contextmanager
    def requests(**_: bool) -> Iterator[StopRequest]:
        yield request

    def stopping(*arguments: Any) -> Iterator[TrainEvent]:
        for event in train_with_rollback(*arguments):
            if isinstance(event, Steps) and event.diverged:
                request.signal = signal.SIGINT
            yield event

    monkeypatch.setattr("tasks.train.stop_requests", requests)
    monkeypatch.setattr("tasks.train.train_with_rollback", stopping)
    assert call(*workplace.options, "--quiet").code == 130
    (run_id,) = workplace.runs()
    assert workplace.client.get_run(run_id).data.metrics["train/rollbacks"] == 1
    (path,) = workplace.folder.rglob(f"checkpoints/{run_id}/last.ckpt")
    assert all(bool(tensor.isfinite().all()) for tensor in load_checkpoint(path).state["model"].values())


def test_the_seeds_overlay_logs_its_probe(workplace: Workplace) -> None:
    seed = str(PROJECT / "params" / "flux.yaml")
    small = ["model.hidden_size=8", "training.seq_length=20", "training.batch_size=10", "sampling.length=20"]
    options = [part for text in [*workplace.overrides, *small] for part in ("--set", text)]
    answer = call("--params", seed, *options, "--quiet")
    assert answer.code == 0, answer.err
    metrics = workplace.client.get_run(answer.out.strip()).data.metrics
    assert 0 < metrics["probe/loss_sum"] < 20 * math.log(60)
    assert "val/loss" not in metrics


def test_a_dry_run_prints_yaml_and_starts_nothing(workplace: Workplace) -> None:
    answer = call(*workplace.options, "--dry-run")
    assert answer.code == 0
    assert yaml.safe_load(answer.out)["model"]["hidden_size"] == 48
    assert "has started nothing" in answer.out
    assert workplace.runs() == []
    assert not (workplace.folder / "the data").exists()


def test_two_hundred_characters_train(workplace: Workplace) -> None:
    workplace.text.write_text(workplace.text.read_text()[:200])
    answer = call(*workplace.options, "--quiet")
    assert answer.code == 0, answer.err
    assert "val/loss" in workplace.client.get_run(answer.out.strip()).data.metrics
