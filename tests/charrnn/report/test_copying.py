import numpy as np
import pytest

from charrnn.config.sampling_options import SamplingOptions
from charrnn.evaluation.held_out import of_split, of_text
from charrnn.generation.writer import Writer, Written
from charrnn.report.copying import compare, write_samples
from tests.charrnn.report.subjects import subject_of
from tests.texts import made_up_play

TEXT = made_up_play(3000)


def test_a_sample_that_copies_is_shown_with_where() -> None:
    subject = subject_of(TEXT + "0123456789", "splits.test_fraction=0")
    assert subject.splits
    vocabulary, train = subject.checkpoint.vocabulary, subject.splits.ids("train")
    copied = vocabulary.decode(train[500:560])
    held_out = of_split(subject.splits, vocabulary, "val", 500)
    written = Written(SamplingOptions(prime="th"), f"th0123{copied}4567", None)
    found = compare([written], held_out, train, vocabulary, 10**6)
    (sample,) = found.samples
    assert sample.passage
    assert (sample.passage.text, sample.passage.sample_position, sample.passage.train_position) == (copied, 4, 500)
    assert (sample.before, sample.after) == (vocabulary.decode(train[440:500]), vocabulary.decode(train[560:620]))
    assert found.searched == len(train)
    text, whole = written.continuation, vocabulary.decode(train[:])
    for length, share in zip((5, 10, 20, 50), found.of_samples, strict=True):
        inside = [text[at : at + length] in whole for at in range(len(text) - length + 1)]
        assert share == np.mean(inside)
    held = [held_out.text[at : at + 10] in whole for at in range(len(held_out) - 9)]
    assert found.of_held_out[1] == np.mean(held)


def test_samples_and_held_out_documents_are_compared_by_the_same_characters() -> None:
    subject = subject_of([f"name{number}" for number in range(200)], "splits.test_fraction=0")
    assert subject.splits
    checkpoint = subject.checkpoint
    texts = ["name1☃name1", "xname1", "name", "abcd"]
    held_out = of_text(texts, "it", checkpoint.params.data, checkpoint.vocabulary, 1000)
    written = [Written(SamplingOptions(), text, None) for text in texts]
    found = compare(written, held_out, subject.splits.ids("train"), checkpoint.vocabulary, 10**6)
    # Neither a stop symbol nor an unknown character, whose ids are the same, makes an n-gram stand there.
    assert found.of_samples == found.of_held_out
    assert found.of_held_out[0] == pytest.approx(3 / (7 + 2))


def test_samples_are_those_that_the_run_writes() -> None:
    checkpoint = subject_of(TEXT).checkpoint
    writer, sampling = (
        Writer(checkpoint.model(), checkpoint.vocabulary, checkpoint.params.data),
        checkpoint.params.sampling,
    )
    written = write_samples(writer, sampling.options(), 2, 1000)
    assert [(one.options.temperature, one.options.seed) for one in written] == [
        (temperature, seed) for temperature in sampling.temperatures for seed in (sampling.seed, sampling.seed + 1)
    ]
    assert {len(one.text) for one in written} == {80}
    assert {len(one.text) for one in write_samples(writer, sampling.options(), 1, 30)} == {30}
