from dataclasses import replace
from pathlib import Path

import pytest

from charrnn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from charrnn.errors import CheckpointError, FileError
from charrnn.params import Params
from tasks.checkpoints import CheckpointFolder, load_from_run
from tasks.tracking import BEST, CHECKPOINTS, LAST, RunRef, Tracker, start_run
from tests.limits import permissions_that_bind
from tests.pipeline_fixtures import Finished


@pytest.fixture
def run(store: Params) -> RunRef:
    return start_run(store.tracking, "a run", {})


@pytest.fixture
def params(store: Params, tmp_path: Path) -> Params:
    return store.model_copy(update={"data": store.data.model_copy(update={"directory": str(tmp_path / "data")})})


@pytest.fixture
def local(params: Params, run: RunRef) -> Path:
    """The folder the run's checkpoints are in on this machine; not made yet."""
    return Path(params.data.directory) / CHECKPOINTS / run.run_id


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
        (self.folder / name).write_bytes(b"charrnn checkpoint 1\nhalf of it")


@pytest.fixture
def make(finished: Finished, local: Path, run: RunRef, tmp_path: Path) -> Maker:
    return Maker(load_checkpoint(finished.checkpoints / BEST), local, run, tmp_path)


@pytest.fixture
def folder(params: Params, run: RunRef) -> CheckpointFolder:
    return CheckpointFolder(params, Tracker(run))


def test_the_local_file_comes_before_the_artifact(params: Params, run: RunRef, make: Maker) -> None:
    make.artifact(BEST, 3)
    assert load_from_run(params, run).step == 3
    make.local(BEST, 5)
    assert load_from_run(params, run).step == 5


def test_the_best_comes_before_the_last(params: Params, run: RunRef, make: Maker) -> None:
    make.local(LAST, 9)
    assert load_from_run(params, run).step == 9
    make.artifact(BEST, 3)
    assert load_from_run(params, run).step == 3
    assert load_from_run(params, run, (LAST,)).step == 9


def test_a_damaged_file_gives_way_to_its_copy_with_a_warning(
    params: Params, run: RunRef, make: Maker, local: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make.damage(BEST)
    make.local(LAST, 9)
    make.artifact(BEST, 3)
    assert load_from_run(params, run).step == 3
    (message,) = caplog.messages
    assert message.startswith(f"warning   {local}/best.ckpt: is truncated or damaged")


def test_a_run_without_a_checkpoint_says_what_may_be_why(params: Params, run: RunRef) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_from_run(params, run)
    assert str(caught.value).startswith(f"run {run.run_id}: has no checkpoint to load: none was saved")
    assert "tracking.upload_checkpoints" in str(caught.value)


def test_damaged_ones_only_are_named_in_one_error(
    params: Params, run: RunRef, make: Maker, local: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make.damage(BEST)
    make.artifact(LAST, None)
    with pytest.raises(CheckpointError) as caught:
        load_from_run(params, run)
    assert f"{local}/best.ckpt: is truncated or damaged" in str(caught.value)
    assert "artifacts/last.ckpt: is truncated or damaged" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caplog.messages == []


def test_going_on_starts_from_the_last_not_the_best(folder: CheckpointFolder, make: Maker) -> None:
    make.local(BEST, 3)
    make.local(LAST, 9)
    last = folder.last()
    assert last is not None
    assert last.step == 9


def test_a_damaged_last_falls_back_to_an_older_one_with_a_warning(
    folder: CheckpointFolder, make: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    make.damage(LAST)
    make.local(BEST, 3)
    last = folder.last()
    assert last is not None
    assert last.step == 3
    assert "last.ckpt: is truncated or damaged" in caplog.text


def test_on_another_machine_going_on_starts_from_the_artifact(folder: CheckpointFolder, make: Maker) -> None:
    make.artifact(LAST, 9)
    make.artifact(BEST, 3)
    last = folder.last()
    assert last is not None
    assert last.step == 9


def test_a_new_run_has_no_last_one_and_nothing_is_touched(
    folder: CheckpointFolder, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    assert folder.last() is None
    assert caplog.messages == []
    assert not Path(params.data.directory).exists()


def test_what_is_saved_is_found_again(folder: CheckpointFolder, make: Maker, params: Params, run: RunRef) -> None:
    folder.save(make.at(4), BEST)
    assert load_from_run(params, run).step == 4


@pytest.mark.parametrize(
    ("policy", "while_training", "at_end"),
    [("all", {BEST, LAST}, {BEST, LAST}), ("best", set(), {BEST}), ("none", set(), set())],
)
def test_the_policy_says_what_is_uploaded_and_when(
    store: Params,
    params: Params,
    run: RunRef,
    make: Maker,
    tmp_path: Path,
    policy: str,
    while_training: set[str],
    at_end: set[str],
) -> None:
    tracking = params.tracking.model_copy(update={"upload_checkpoints": policy})
    tracker = Tracker(run)
    folder = CheckpointFolder(params.model_copy(update={"tracking": tracking}), tracker)

    def uploaded() -> set[str]:
        tracker.flush()
        return {
            path.name for path in tracker.client.list_artifacts(run.run_id, CHECKPOINTS) for path in [Path(path.path)]
        }

    for step, name in enumerate([BEST, LAST, BEST, LAST]):
        folder.save(make.at(step), name)
    assert uploaded() == while_training
    folder.upload_at_end()
    assert uploaded() == at_end
    assert {path.name for path in folder.folder.iterdir()} == {BEST, LAST}


def test_without_a_best_one_there_is_none_to_upload(store: Params, params: Params, run: RunRef, make: Maker) -> None:
    tracking = params.tracking.model_copy(update={"upload_checkpoints": "best"})
    folder = CheckpointFolder(params.model_copy(update={"tracking": tracking}), Tracker(run))
    folder.save(make.at(1), LAST)
    folder.upload_at_end()
    with pytest.raises(CheckpointError):
        load_from_run(params, run, (BEST,))


def test_a_file_that_may_not_be_read_is_no_reason_to_start_again(
    folder: CheckpointFolder, make: Maker, local: Path
) -> None:
    make.local(LAST, 9)
    (local / LAST).chmod(0)
    with permissions_that_bind(), pytest.raises(FileError, match=r"last\.ckpt: cannot read checkpoint: Permission"):
        folder.last()
