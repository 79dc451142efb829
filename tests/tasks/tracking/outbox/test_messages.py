from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.tracking.outbox.messages import (
    OPERATION,
    DrawCurves,
    LogDataset,
    LogFile,
    LogParams,
    LogTable,
    LogText,
    Metrics,
    NewRows,
    Operation,
    Register,
    Rename,
    Row,
    SetTags,
    Terminate,
    artifact_path,
)

EACH_KIND: list[Operation] = [
    Metrics((Row("train/loss", 0.1 + 0.2, 1_700_000_000_123, 7), Row("train/loss", 1e-300, 1, 8))),
    LogParams({"model.cell": "lstm"}),
    SetTags({"a tag": "ÄÖ\n日本"}),
    Rename("another name"),
    LogDataset("a play", "abc", "play.txt", '{"characters": 3}', "train"),
    LogText("samples/a.txt", "To be,\nor not"),
    LogTable("a.json", '{"columns": []}'),
    LogFile("checkpoints/last.ckpt"),
    DrawCurves("curves.png", {"unigram": 3.1}),
    Register("charrnn", "0123", ("torch==1.0",), {"prime": "a", "length": 3, "temperature": 0.5}),
    Terminate("FINISHED", 1_700_000_000_123),
]


@pytest.mark.parametrize("operation", EACH_KIND, ids=lambda operation: str(operation.kind))
def test_an_operation_reads_back_as_it_was_written(operation: Operation) -> None:
    assert OPERATION.validate_json(OPERATION.dump_json(operation)) == operation


@pytest.mark.parametrize("operation", EACH_KIND, ids=lambda operation: str(operation.kind))
def test_artifacts_alone_have_a_path_that_a_later_one_may_take(operation: Operation) -> None:
    assert (artifact_path(operation) is not None) == (operation.kind in ("text", "table", "file", "curves"))


class Store:
    """Takes rows; what it is asked for and how sends go wrong is for the test to say."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.asked: Counter[str] = Counter()
        self.new = NewRows(self.steps)

    def steps(self, key: str) -> list[int]:
        self.asked[key] += 1
        return [row.step for row in self.rows if row.key == key]

    def send(self, rows: list[Row], outcome: str) -> bool:
        """Send what is new; return whether an answer came."""
        new = self.new.of(rows)
        if outcome != "lost on the way":
            self.rows += new
        if outcome == "arrives":
            return True
        if outcome == "another process goes on":
            self.new = NewRows(self.steps)
        return False


rows = st.builds(Row, st.sampled_from(["a", "b"]), st.just(1.0), st.integers(0, 9), st.integers(0, 6))
outcomes = st.sampled_from(["arrives", "lost on the way", "answer lost", "another process goes on"])


@given(st.lists(st.tuples(st.lists(rows, max_size=8), st.lists(outcomes, max_size=3))))
def test_each_step_arrives_once_however_often_its_rows_are_sent(batches: list[tuple[list[Row], list[str]]]) -> None:
    store = Store()
    first: dict[tuple[str, int], Row] = {}
    for batch, fates in batches:
        for row in batch:
            first.setdefault((row.key, row.step), row)
        for fate in [*fates, "arrives"]:
            if store.send(batch, fate):
                break
    assert Counter((row.key, row.step) for row in store.rows) == Counter(first.keys())
    assert set(store.rows) == set(first.values())


def test_the_store_is_asked_once_for_a_metric_that_goes_on() -> None:
    store = Store()
    store.rows = [Row("train/loss", 1.0, 0, step) for step in range(1, 4)]
    for start in range(2, 50, 2):
        store.send([Row("train/loss", 1.0, 0, start), Row("train/loss", 1.0, 0, start + 1)], "arrives")
    assert store.asked == {"train/loss": 1}
    assert [row.step for row in store.rows] == list(range(1, 50))
