from tasks.tracking.history import history_of
from tasks.tracking.runs import SOURCE_TAG, TRAINING_SAMPLES
from tasks.tracking.tracker import Tracker


def test_what_a_run_has_recorded_is_its_history(tracker: Tracker) -> None:
    for step, loss in ((1, 3.0), (2, 2.0), (10, 1.0)):
        tracker.metric("train/loss", loss, step)
    for key, value in {"val/loss": 1.5, "best/loss": 1.25, "test/loss": 1.75, "best/unigram_loss": 3.5}.items():
        tracker.metric(key, value, 10)
    tracker.tags({SOURCE_TAG: "novel.txt"})
    for step in (5, 10):
        tracker.text(f"text {step}", f"{TRAINING_SAMPLES}/step-{step:04}.txt")
    tracker.flush()
    assert tracker.wait() == 0
    found = history_of(tracker.run)
    assert (found.run_id, found.name, found.source) == (tracker.run.run_id, "a run", "novel.txt")
    assert list(found.train) == [(1, 3.0), (2, 2.0), (10, 1.0)]
    assert list(found.val) == [(10, 1.5)]
    assert found.results == {"validation": 1.25, "test": 1.75}
    assert found.baselines == {"unigram": 3.5}
    assert list(found.samples) == [(5, "text 5"), (10, "text 10")]


def test_a_run_that_has_recorded_nothing_has_an_empty_history(tracker: Tracker) -> None:
    tracker.flush()
    found = history_of(tracker.run)
    assert [*found.train, *found.val, *found.results, *found.baselines, *found.samples] == []
