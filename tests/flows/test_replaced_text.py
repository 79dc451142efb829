"""A text that somebody replaces while it is read is read again, and not for ever."""

import hashlib
from typing import Any

import pytest

from charrnn.data.corpus import Corpus
from charrnn.data.dataset import Dataset
from flows import pipeline
from tasks.encode import encode
from tasks.tracking.runs import CORPUS_TAG
from tests.texts import made_up_play
from tests.workplace import Workplace, call


class Replaced:
    """The task `encode`, before which the text is replaced so many times."""

    def __init__(self, workplace: Workplace, times: int) -> None:
        self.workplace, self.times = workplace, times

    def with_options(self, **_: Any) -> "Replaced":
        return self

    def __call__(self, corpus: Corpus, *arguments: Any) -> Dataset:
        if self.times:
            self.workplace.text.write_text(made_up_play(20_000, seed=self.times), encoding="utf-8")
            self.times -= 1
        return encode(corpus, *arguments)


def test_it_is_read_again(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "encode", Replaced(workplace, 2))
    answer = call(*workplace.options, "--set", "training.max_steps=2")
    assert answer.code == 0, answer.err
    assert answer.err.count("a play.txt changed while it was read; it is read again") == 2
    (run_id,) = workplace.runs()
    digest = hashlib.sha256(workplace.text.read_bytes()).hexdigest()
    assert workplace.client.get_run(run_id).data.tags[CORPUS_TAG] == digest


def test_it_is_not_read_for_ever(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "encode", Replaced(workplace, 100))
    answer = call(*workplace.options)
    assert answer.code == 2
    assert "changed while it was read; run again" in answer.err
    assert workplace.runs() == []
