from dataclasses import replace

import numpy as np

from charrnn.evaluation.held_out import of_split
from charrnn.report.passages import choose
from charrnn.report.reading import Reading, read
from tests.charrnn.report.subjects import subject_of


def reading_of(text: str) -> Reading:
    subject = subject_of(text, "splits.val_fraction=0.8")
    assert subject.splits
    return read(subject.checkpoint.model(), of_split(subject.splits, subject.checkpoint.vocabulary, "val", 20_000))


def test_passages_that_cost_most_and_least_are_found() -> None:
    reading = reading_of("abcdefg h\n" * 1000)
    bits = np.ones(len(reading.bits), dtype=np.float32)
    bits[3000:3200], bits[5000:5200] = 5, 0.1
    found = choose(replace(reading, bits=bits))
    assert found.costliest[0] == slice(3000, 3200)
    assert found.cheapest[0] == slice(5000, 5200)
    assert (len(found.costliest), len(found.cheapest)) == (3, 3)
    assert not any(
        one.start < other.stop and other.start < one.stop
        for one, other in zip(found.costliest[:-1], found.costliest[1:], strict=True)
    )
    assert found.typical.stop - found.typical.start == 2000
    assert reading.held_out.text[found.typical.start - 1] == "\n"


def test_passages_of_documents_are_documents() -> None:
    documents = [f"name {number}" for number in range(200)]
    subject = subject_of(documents)
    assert subject.splits
    reading = read(subject.checkpoint.model(), of_split(subject.splits, subject.checkpoint.vocabulary, "val", 20_000))
    for part in [*choose(reading).costliest, *choose(reading).cheapest]:
        shown = "".join(reading.held_out.symbols(part))
        assert shown in documents


def test_a_short_text_is_one_passage() -> None:
    reading = reading_of("ab\n" * 20)
    found = choose(reading)
    assert found.typical == slice(0, len(reading.bits))
    assert len(found.costliest) == len(found.cheapest) == 1
