import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from mlflow import MlflowClient

from charrnn.config.schema import Params
from charrnn.data.folder import DataFolder
from charrnn.errors import CheckpointError, CheckpointVersionError, FileError
from charrnn.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tasks.tracking.checkpoints import CheckpointFolder, load_from_run
from tasks.tracking.runs import BEST, CHECKPOINTS, LAST, PREVIOUS, RunRef
from tasks.tracking.tracker import Tracker
from tests.limits import permissions_that_bind
from tests.workplace import Finished, start_run


@pytest.fixture
def run(store: Params, tmp_path: Path) -> RunRef:
    return replace(start_run(store, "a run", {}), data=DataFolder(tmp_path / "data"))


@pytest.fixture
def local(run: RunRef) -> Path:
    """The folder the run's checkpoints are in on this machine; not made yet."""
    return run.checkpoints


class Maker:
    """Writes checkpoints that only differ in how many steps they have had."""

    def __init__(self, whole: Checkpoint, local: Path, run: RunRef, scratch: Path) -> None:
        self.whole, self.folder, self.run, self.scratch = whole, local, run, scratch

    def at(self, step: int) -> Checkpoint:
        progress = {**self.whole.state["progress"], "step": step}
        return replace(self.whole, state={**self.whole.state, "progress": progress})

    def local(self, name: str, step: int) -> None:
        save_checkpoint(self.folder / name, self.at(step))

    def artifact(self, name: str, step: int | None) -> None:
        """Add an artifact; without a step, one that is damaged."""
        path = self.scratch / name
        save_checkpoint(path, self.at(step or 0))
        if step is None:
            path.write_bytes(path.read_bytes()[:-1])
        tracker = Tracker(self.run)
        tracker.file(path, CHECKPOINTS)
        tracker.finish("FINISHED")

    def damage(self, name: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(b"charrnn checkpoint, half of it")


@pytest.fixture
def make(finished: Finished, local: Path, run: RunRef, tmp_path: Path) -> Maker:
    return Maker(load_checkpoint(finished.checkpoints / BEST), local, run, tmp_path)


@pytest.fixture
def folder(run: RunRef) -> CheckpointFolder:
    return CheckpointFolder(Tracker(run), "all")


@pytest.fixture
def run_elsewhere(run: RunRef, tmp_path: Path) -> RunRef:
    """The same run on another machine."""
    return replace(run, data=DataFolder(tmp_path / "elsewhere"))


@pytest.fixture
def elsewhere(run_elsewhere: RunRef) -> CheckpointFolder:
    return CheckpointFolder(Tracker(run_elsewhere), "all")


def last_step(folder: CheckpointFolder) -> int | None:
    last = folder.last()
    return None if last is None else last.step


def test_the_local_file_comes_before_the_artifact(run: RunRef, make: Maker) -> None:
    make.artifact(BEST, 3)
    assert load_from_run(run).step == 3
    make.local(BEST, 5)
    assert load_from_run(run).step == 5


def test_the_best_comes_before_the_last(run: RunRef, make: Maker) -> None:
    make.local(LAST, 9)
    assert load_from_run(run).step == 9
    make.artifact(BEST, 3)
    assert load_from_run(run).step == 3
    assert load_from_run(run, (LAST,)).step == 9


def test_a_damaged_file_gives_way_to_its_copy_with_a_warning(
    run: RunRef, make: Maker, local: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make.damage(BEST)
    make.local(LAST, 9)
    make.artifact(BEST, 3)
    assert load_from_run(run).step == 3
    (message,) = caplog.messages
    assert message.startswith(f"warning   {local}/best.ckpt: is truncated or damaged")


def test_a_run_without_a_checkpoint_says_what_may_be_why(run: RunRef) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_from_run(run)
    assert str(caught.value).startswith(f"run {run.run_id}: has no checkpoint to load: none was saved")
    assert "tracking.upload_checkpoints" in str(caught.value)


def test_damaged_ones_only_are_named_in_one_error(
    run: RunRef, make: Maker, local: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make.damage(BEST)
    make.artifact(LAST, None)
    with pytest.raises(CheckpointError) as caught:
        load_from_run(run)
    assert f"{local}/best.ckpt: is truncated or damaged" in str(caught.value)
    assert "artifacts/last.ckpt: is truncated or damaged" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caplog.messages == []


def test_going_on_starts_from_the_last_not_the_best(folder: CheckpointFolder, make: Maker) -> None:
    folder.save_best(make.at(3))
    folder.save_last(make.at(9))
    assert last_step(folder) == 9


def test_a_damaged_last_falls_back_to_the_one_before_with_a_warning(
    folder: CheckpointFolder, make: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    make.local(BEST, 3)
    for step in (6, 9):
        make.local(LAST, step)
        folder.save_last(make.at(step + 1))
    make.damage(LAST)
    last = folder.last_here()
    assert last is not None
    assert last.step == 9
    assert "last.ckpt: is truncated or damaged" in caplog.text


def test_checkpoints_of_the_old_format_are_refused_and_training_does_not_begin_again(
    folder: CheckpointFolder, make: Maker
) -> None:
    for name in (LAST, PREVIOUS, BEST):
        make.local(name, 20)
        (folder.folder / name).write_bytes(b"charrnn checkpoint 1\n" + bytes(99))
    with pytest.raises(CheckpointVersionError, match="finish the run with charrnn 0"):
        folder.last()


def test_a_damaged_last_is_fetched_again_where_the_run_has_it(folder: CheckpointFolder, make: Maker) -> None:
    folder.save_last(make.at(6))
    folder.save_last(make.at(9))
    Tracker(make.run).wait()
    make.damage(LAST)
    assert last_step(folder) == 9


def test_on_another_machine_going_on_starts_from_the_artifacts(
    folder: CheckpointFolder, elsewhere: CheckpointFolder, make: Maker
) -> None:
    folder.save_best(make.at(3))
    folder.save_last(make.at(9))
    Tracker(make.run).wait()
    assert last_step(elsewhere) == 9
    assert {path.name for path in elsewhere.folder.iterdir()} >= {BEST, LAST}


def test_going_on_starts_from_the_newest_wherever_it_was_saved(
    folder: CheckpointFolder, elsewhere: CheckpointFolder, run: RunRef, run_elsewhere: RunRef, make: Maker
) -> None:
    folder.save_last(make.at(3))
    Tracker(run).wait()
    elsewhere.save_last(make.at(9))
    Tracker(run_elsewhere).wait()
    make.local(BEST, 2)
    assert last_step(folder) == 9
    folder.save_last(make.at(12))
    assert last_step(folder) == 12


def test_artifacts_of_the_old_format_are_refused_and_training_does_not_begin_again(
    elsewhere: CheckpointFolder, run_elsewhere: RunRef, make: Maker
) -> None:
    elsewhere.save_last(make.at(9))
    Tracker(run_elsewhere).wait()
    (make.scratch / LAST).write_bytes(b"charrnn checkpoint 1\n" + bytes(99))
    tracker = Tracker(run_elsewhere)
    tracker.file(make.scratch / LAST, CHECKPOINTS)
    tracker.wait()
    shutil.rmtree(elsewhere.folder)
    expected = f"run {run_elsewhere.run_id}: artifact checkpoints/last.ckpt: has checkpoint format 1"
    with pytest.raises(CheckpointVersionError, match=expected):
        elsewhere.last()


def test_a_damaged_artifact_is_not_copied_here(
    elsewhere: CheckpointFolder, run_elsewhere: RunRef, make: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere.save_last(make.at(9))
    Tracker(run_elsewhere).wait()
    make.artifact(LAST, None)
    make.folder = elsewhere.folder
    make.local(LAST, 5)
    assert last_step(elsewhere) == 5
    assert "last.ckpt: is truncated or damaged" in caplog.text


def test_a_new_run_has_no_last_one_and_nothing_is_touched(
    folder: CheckpointFolder, run: RunRef, caplog: pytest.LogCaptureFixture
) -> None:
    assert folder.last() is None
    assert caplog.messages == []
    assert not run.data.path.exists()


def test_what_is_kept_for_good_stays_beside_the_last(folder: CheckpointFolder, make: Maker) -> None:
    for step in (10, 20):
        folder.save_last(make.at(step))
        folder.keep(make.at(step))
    assert load_checkpoint(folder.folder / "step-00000010.ckpt").step == 10
    assert load_checkpoint(folder.folder / "step-00000020.ckpt").step == 20


def test_the_model_a_run_starts_from_is_kept_as_it_was(folder: CheckpointFolder, make: Maker) -> None:
    assert folder.initial() is None
    folder.keep_initial(make.at(7))
    folder.keep_initial(make.at(8))
    initial = folder.initial()
    assert initial is not None
    assert initial.step == 7
    assert last_step(folder) is None


@pytest.mark.parametrize(
    ("policy", "while_training", "at_end"),
    [("all", {BEST, LAST}, {BEST, LAST}), ("best", set(), {BEST}), ("none", set(), set())],
)
def test_the_policy_says_what_is_uploaded_and_when(
    run: RunRef, make: Maker, policy: Literal["all", "best", "none"], while_training: set[str], at_end: set[str]
) -> None:
    tracker = Tracker(run)
    folder = CheckpointFolder(tracker, policy)

    def uploaded() -> set[str]:
        tracker.wait()
        artifacts = MlflowClient(tracking_uri=run.uri).list_artifacts(run.run_id, CHECKPOINTS)
        return {Path(artifact.path).name for artifact in artifacts}

    folder.save_best(make.at(1))
    folder.save_last(make.at(2))
    assert uploaded() == while_training
    folder.upload_at_end(2)
    assert uploaded() == at_end
    assert {path.name for path in folder.folder.iterdir()} == {BEST, LAST}


def test_without_a_best_one_there_is_none_to_upload(run: RunRef, make: Maker) -> None:
    folder = CheckpointFolder(Tracker(run), "best")
    folder.save_last(make.at(1))
    folder.upload_at_end(1)
    Tracker(run).wait()
    with pytest.raises(CheckpointError):
        load_from_run(run, (BEST,))


def test_a_file_that_may_not_be_read_is_no_reason_to_start_again(
    folder: CheckpointFolder, make: Maker, local: Path
) -> None:
    make.local(LAST, 9)
    (local / LAST).chmod(0)
    with permissions_that_bind(), pytest.raises(FileError, match=r"last\.ckpt: cannot read checkpoint: Permission"):
        folder.last()
