import pytest

from charrnn.errors import CorpusError
from charrnn.evaluation.held_out import of_split, of_text
from tests.charrnn.report.subjects import subject_of


def test_a_split_of_a_stream_is_its_text() -> None:
    subject = subject_of("to be or not to be\n" * 20)
    assert subject.splits
    held_out = of_split(subject.splits, subject.checkpoint.vocabulary, "val", 50)
    whole = subject.checkpoint.vocabulary.decode(subject.splits.ids("val")[:])
    assert held_out.text == whole[:50]
    assert held_out.spans() == [(0, 50)]
    assert (held_out.name, held_out.size) == ("validation split", len(whole))


def test_documents_stand_between_stop_symbols() -> None:
    subject = subject_of([f"name {number}" for number in range(30)])
    assert subject.splits
    held_out = of_split(subject.splits, subject.checkpoint.vocabulary, "val", 1000)
    names = ["".join(held_out.symbols(slice(*span))) for span in held_out.spans()]
    assert len(names) == 12
    assert all(name.startswith("name ") for name in names)
    assert all(held_out.stops[start] and held_out.stops[end - 1] for start, end in held_out.spans())


def test_documents_that_a_person_gives_are_read_in_the_same_form() -> None:
    checkpoint = subject_of(["ab", "ba", "a", "b", "aa", "bb", "aab"]).checkpoint
    held_out = of_text(["ab", "b☃"], "it", checkpoint.params.data, checkpoint.vocabulary, 100)
    assert held_out.symbols(slice(None)) == ["", "a", "b", "", "b", "☃", ""]
    assert held_out.unknown.tolist() == [False] * 5 + [True, False]
    assert held_out.spans() == [(0, 4), (3, 7)]


def test_documents_are_told_apart() -> None:
    checkpoint = subject_of(["ab", "ba", "a", "b", "aa", "bb", "aab"]).checkpoint
    held_out = of_text(["ab", "", "b☃"], "it", checkpoint.params.data, checkpoint.vocabulary, 100)
    assert held_out.parts() == ["\nab", "\n", "\nb☃", "\n"]
    assert held_out.documents() == ["ab", "b☃"]
    assert held_out.first(5).documents() == ["ab"]
    stream = of_text("ab\nb", "it", subject_of("ab\n" * 20).checkpoint.params.data, checkpoint.vocabulary, 100)
    assert stream.parts() == stream.documents() == ["ab\nb"]


def test_a_text_of_nothing_that_is_known_is_refused() -> None:
    checkpoint = subject_of("ab" * 20).checkpoint
    with pytest.raises(CorpusError, match=r"^it: has fewer than 2 characters that the model knows$"):
        of_text("☃☃a", "it", checkpoint.params.data, checkpoint.vocabulary, 100)
