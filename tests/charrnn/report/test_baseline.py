import numpy as np
import pytest

from charrnn.evaluation.held_out import of_split
from charrnn.evaluation.ngram import NgramModel
from charrnn.report import baseline as module
from charrnn.report.baseline import ORDER, count
from tests.charrnn.report.subjects import subject_of
from tests.texts import made_up_play


def test_the_last_characters_of_the_training_text_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of(made_up_play(3000))
    assert subject.splits
    vocabulary, train = subject.checkpoint.vocabulary, subject.splits.ids("train")
    held_out = of_split(subject.splits, vocabulary, "val", 500)
    found = count(train, held_out, vocabulary.size, 700)
    assert found.counted == 700
    model, ids = NgramModel(train[-700:], vocabulary.size, ORDER), held_out.ids.astype(np.uint32)
    assert found.probabilities == pytest.approx(model.probabilities(ids))
    assert 2.0**-found.bits == pytest.approx(found.probabilities)
    rows = model.distributions(ids)[100:300]
    # In pieces, as where the vocabulary is large.
    monkeypatch.setattr(module, "_CELLS", 30 * vocabulary.size)
    likeliest, probabilities = found.likeliest(held_out, slice(100, 300))
    assert likeliest.tolist() == rows.argmax(axis=1).tolist()
    assert probabilities == pytest.approx(rows.max(axis=1))
